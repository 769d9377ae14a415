# An upgraded extension is the same as a fresh one, whatever version it began
# with. Every script extension/updates/taskchat--A--B.sql is tried from each
# version whose install script is there (an old one is kept beside it as
# extension/updates/taskchat--A.sql). That the comparison sees a difference is
# shown with a version made up here.
use strict;
use warnings FATAL => 'all';
use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;

# All that the extension is made of, as text: what each object is, its rights,
# its comment. Numbers of objects and the order of their making don't count.
my $catalog = q{
	WITH members AS (
		SELECT d.classid, d.objid, 0 AS objsubid FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND x.extname = 'taskchat'),
	lines AS (
		SELECT pg_describe_object(classid, objid, 0) AS line FROM members
		UNION ALL SELECT pg_get_functiondef(objid) || ' ' || (SELECT concat_ws(' ', proowner::regrole, (SELECT array_agg(a ORDER BY a::text) FROM unnest(proacl) AS a)) FROM pg_proc WHERE oid = objid)
			FROM members WHERE classid = 'pg_proc'::regclass
		UNION ALL SELECT concat_ws(' ', c.oid::regclass, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relowner::regrole,
				(SELECT array_agg(a ORDER BY a::text) FROM unnest(c.relacl) AS a), c.relreplident)
			FROM members JOIN pg_class AS c ON c.oid = objid WHERE classid = 'pg_class'::regclass
		UNION ALL SELECT concat_ws(' ', a.attrelid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
				a.attstattarget, a.attstorage, a.attcompression, a.attacl, a.attcollation::regcollation, pg_get_expr(f.adbin, f.adrelid))
			FROM members JOIN pg_attribute AS a ON a.attrelid = objid AND a.attnum > 0 LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
			WHERE classid = 'pg_class'::regclass
		UNION ALL SELECT concat_ws(' ', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), k.convalidated)
			FROM members JOIN pg_constraint AS k ON k.conrelid = objid WHERE classid = 'pg_class'::regclass
		UNION ALL SELECT concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisprimary, i.indisunique, i.indisreplident)
			FROM members JOIN pg_index AS i ON i.indrelid = objid WHERE classid = 'pg_class'::regclass
		UNION ALL SELECT concat_ws(' ', a.attrelid::regclass, a.attname, a.attstattarget)
			FROM members JOIN pg_index AS i ON i.indrelid = objid JOIN pg_attribute AS a ON a.attrelid = i.indexrelid WHERE classid = 'pg_class'::regclass
		UNION ALL SELECT concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
			FROM members JOIN pg_trigger AS t ON t.tgrelid = objid AND NOT t.tgisinternal WHERE classid = 'pg_class'::regclass
		UNION ALL SELECT concat_ws(' ', p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive, p.polroles,
				pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
			FROM members JOIN pg_policy AS p ON p.polrelid = objid WHERE classid = 'pg_class'::regclass
		UNION ALL SELECT objid::regclass || ' ' || pg_get_viewdef(objid)
			FROM members JOIN pg_class AS c ON c.oid = objid AND c.relkind = 'v' WHERE classid = 'pg_class'::regclass
		UNION ALL SELECT concat_ws(' ', seqrelid::regclass, seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle)
			FROM members JOIN pg_sequence ON seqrelid = objid WHERE classid = 'pg_class'::regclass
		UNION ALL SELECT 'schema ' || n.nspacl::text FROM members JOIN pg_namespace AS n ON n.oid = objid WHERE classid = 'pg_namespace'::regclass
		UNION ALL SELECT concat_ws(' ', 'comment', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description)
			FROM pg_description AS d
			WHERE (d.classoid, d.objoid) IN (SELECT classid, objid FROM members)
				OR d.classoid = 'pg_trigger'::regclass AND d.objoid IN (SELECT t.oid FROM pg_trigger AS t JOIN members ON t.tgrelid = objid)
				OR d.classoid = 'pg_policy'::regclass AND d.objoid IN (SELECT p.oid FROM pg_policy AS p JOIN members ON p.polrelid = objid)
				OR d.classoid = 'pg_class'::regclass AND d.objoid IN (SELECT i.indexrelid FROM pg_index AS i JOIN members ON i.indrelid = objid)
		UNION ALL SELECT concat_ws(' ', 'extension', x.extversion, x.extnamespace::regnamespace, x.extrelocatable) FROM pg_extension AS x WHERE x.extname = 'taskchat'
		UNION ALL SELECT concat_ws(' ', 'dumped', c.oid::regclass, x.extcondition[c.n])
			FROM pg_extension AS x, unnest(x.extconfig) WITH ORDINALITY AS c (oid, n) WHERE x.extname = 'taskchat')
	SELECT line FROM lines WHERE line IS NOT NULL ORDER BY line COLLATE "C"};

my $version = $node->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	SELECT extversion FROM pg_extension WHERE extname = 'taskchat'});
my $databases = 0;

chomp(my $share = `pg_config --sharedir`);
chomp(my $lib = `pg_config --pkglibdir`);

# Where the extension is staged: what its directories begin with.
sub stage { return $node->safe_psql('postgres', q{SELECT current_setting('extension_destdir', true)}) }
sub scripts { return stage() . "$share/extension" }

# The catalog of a new database with the extension made by these statements.
sub catalog_after
{
	my (@statements) = @_;
	my $db = 'upgrade' . ++$databases;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, "$_") foreach @statements;
	return $node->safe_psql($db, $catalog);
}

my $fresh = catalog_after('CREATE EXTENSION taskchat');
cmp_ok(scalar(split /\n/, $fresh), '>', 1000, 'there is a catalog to compare');
is(catalog_after('CREATE EXTENSION taskchat'), $fresh, 'two fresh ones are the same');

# The versions from which an upgrade gives something else than a fresh one.
# (pg_available_extension_versions sees the system's directory alone.)
sub check_upgrades
{
	my ($fresh) = @_;
	my @different;
	my %installable = map { m{/taskchat--((?:(?!--).)+)\.sql$} ? ($1 => 1) : () } glob scripts() . '/taskchat--*.sql';
	foreach my $from (grep { $installable{$_} } split /\n/, $node->safe_psql('postgres', qq{
		SELECT source FROM pg_extension_update_paths('taskchat') WHERE target = '$version' AND path IS NOT NULL ORDER BY 1}))
	{
		my $upgraded = catalog_after("CREATE EXTENSION taskchat VERSION '$from'", 'ALTER EXTENSION taskchat UPDATE');
		push @different, $from if $upgraded ne $fresh;
	}
	return "@different";
}
ok(-f scripts() . "/taskchat--$version.sql", 'the scripts are where they should be');
is(check_upgrades($fresh), '', 'every upgrade gives the same as a fresh installation');

# The same with a version made up: the current script without one thing.
my $base = PostgreSQL::Test::Utils::tempdir_short();
my $dir = "$base$share/extension";
system_or_bail('mkdir', '-p', $dir, "$base$lib");
copy($_, $dir) or die "$_: $!" foreach glob scripts() . '/taskchat*';
copy(stage() . "$lib/taskchat.so", "$base$lib") or die "taskchat.so: $!";
my $whole = slurp_file("$dir/taskchat--$version.sql");

my %left_out = (
	'a function' => [ qr/CREATE FUNCTION taskchat\.uuid_v7\(\).*?;\nCOMMENT ON FUNCTION taskchat\.uuid_v7\(\)[^\n]*\n/s ],
	'a comment' => [ qr/COMMENT ON COLUMN taskchat\.task_rooms\.room_id [^\n]*\n/ ],
	'a dump mark' => [ qr/SELECT pg_catalog\.pg_extension_config_dump\('taskchat\.last_seen', ''\);\n/ ],
	'a policy' => [ qr/CREATE POLICY own_read [^;]*;\n/, qr/COMMENT ON POLICY own_read [^\n]*\n/ ],
	'row-level security' => [ qr/ALTER TABLE taskchat\.tickets ENABLE ROW LEVEL SECURITY;\n/ ],
	'rights' => [ qr/GRANT INSERT ON taskchat\.task_messages TO taskchat_user;\n/ ],
	'an index' => [ qr/CREATE INDEX tickets_expiry [^;]*;\n/, qr/COMMENT ON INDEX taskchat\.tickets_expiry [^\n]*\n/ ]);
$node->append_conf('postgresql.conf', "extension_destdir = '$base'");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('extension_destdir') = '$base'") or die 'no reload';
foreach my $what (sort keys %left_out)
{
	my $old = $whole;
	my $upgrade = '';
	foreach my $part (@{ $left_out{$what} })
	{
		$old =~ s/($part)// or die "the install script has no $what: $part";
		$upgrade .= $1;
	}
	unlink glob "$dir/taskchat--0*";
	append_to_file("$dir/taskchat--0.0.1.sql", $old);
	# (a function is PUBLIC's until that is taken away)
	$upgrade .= "REVOKE ALL ON FUNCTION taskchat.uuid_v7() FROM PUBLIC;\n" if $what eq 'a function';
	append_to_file("$dir/taskchat--0.0.1--$version.sql", $upgrade);
	is(check_upgrades($fresh), '', "$what: added by an upgrade it is the same");
	unlink "$dir/taskchat--0.0.1--$version.sql";
	append_to_file("$dir/taskchat--0.0.1--$version.sql", "-- forgotten\n");
	is(check_upgrades($fresh), '0.0.1', "$what: forgotten by an upgrade it is found");
}

# Rooms live through an upgrade.
$node->safe_psql('postgres', 'CREATE DATABASE used');
$node->safe_psql('used', q{
	CREATE EXTENSION taskchat VERSION '0.0.1';
	SELECT taskchat.open_room('1', 'ada');
	SELECT taskchat.send_system_message('1', 'before');
	ALTER EXTENSION taskchat UPDATE;
	SELECT taskchat.send_system_message('1', 'after');});
is($node->safe_psql('used', q{SELECT string_agg(content, ' ' ORDER BY seq) FROM taskchat.task_messages}), 'before after', 'rooms live through an upgrade');

$node->stop;
done_testing();
