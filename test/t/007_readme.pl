# The reference tables of README.md say what the catalog says: functions with
# arguments, results and comments, and settings with their defaults are rows
# made from it; every SQLSTATE that the extension raises is explained.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file('README.md');
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION taskchat');

# The rows of the table under a heading.
sub rows_under
{
	my ($heading) = @_;
	my ($section) = $readme =~ /^### \Q$heading\E\n(.*?)(?=^##)/ms or die "README.md has no section $heading";
	my @rows = grep { /^\|/ } split /\n/, $section;
	return join("\n", sort @rows[ 2 .. $#rows ]);
}

# Functions that a role may call and that are no parts of others ("Internal: …",
# and the text of frames that wire_* and the relay are made of).
sub functions_for
{
	my ($condition) = @_;
	return join("\n", sort split /\n/, $node->safe_psql('postgres', qq{
		SET intervalstyle = postgres;
		SELECT '| `' || p.proname || '(' || w.arguments || ')` | ' || CASE w.result WHEN 'void' THEN '' ELSE '`' || w.result || '`' END
			|| ' | ' || obj_description(p.oid, 'pg_proc') || ' |'
		FROM pg_proc AS p
		CROSS JOIN LATERAL (SELECT pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result) AS raw
		CROSS JOIN LATERAL (SELECT
			regexp_replace(replace(replace(replace(regexp_replace(regexp_replace(raw.arguments, '(, )?OUT .*', ''), '::[a-z]+( with time zone)?(\\[\\])?', '', 'g'),
				' DEFAULT ', ' = '), 'timestamp with time zone', 'timestamptz'), 'integer', 'int'), '\\((now.*?day'')\\)', '\\1') AS arguments,
			replace(replace(CASE WHEN raw.arguments ~ 'OUT ' THEN 'TABLE(' || replace(substring(raw.arguments FROM 'OUT .*'), 'OUT ', '') || ')' ELSE raw.result END,
				'taskchat.', ''), 'timestamp with time zone', 'timestamptz') AS result) AS w
		WHERE p.pronamespace = 'taskchat'::regnamespace AND $condition
			AND p.proname !~ '^(wire|relay)_' AND obj_description(p.oid, 'pg_proc') !~ '^Internal'}));
}

is(rows_under('For users'), functions_for(q{has_function_privilege('taskchat_user', p.oid, 'EXECUTE')}),
	'functions for users');
is( rows_under('For back ends'),
	functions_for(q{has_function_privilege('taskchat_backend', p.oid, 'EXECUTE') AND NOT has_function_privilege('taskchat_user', p.oid, 'EXECUTE')}),
	'functions for back ends');

is( rows_under('Settings'),
	join("\n", sort split /\n/, $node->safe_psql('postgres', q{
		LOAD 'taskchat';
		SELECT '| `' || name || '` | ' || CASE context WHEN 'internal' THEN '' ELSE '`' || current_setting(name) || '`' END || ' | ' || short_desc || ' |'
		FROM pg_settings WHERE name LIKE 'taskchat.%'})),
	'settings');

# What is raised, by the names in the sources; the numbers stand in PostgreSQL's errcodes.h.
my %state;
chomp(my $include = `pg_config --includedir-server`);
my $errcodes = slurp_file("$include/utils/errcodes.h");
while ($errcodes =~ /#define ERRCODE_(\w+) MAKE_SQLSTATE\((.*?)\)/g)
{
	my ($name, $digits) = ($1, $2);
	$state{$name} = $digits =~ s/[', ]//gr;
}
my %raised;
my @bare;
foreach my $file (glob 'extension/sql/*.sql extension/*.c')
{
	my $source = slurp_file($file);
	# The relay shows no hints, so what only frames bring about has none.
	push @bare, "$file: $1" while $file !~ /relay\.c|wire\.sql/
		&& $source =~ /(RAISE \w+ USING(?:(?!HINT).)*?;\n|ereport\(ERROR,(?:(?!errhint|INTERNAL_ERROR|TRIGGER_PROTOCOL).)*?\);\n)/gs;
	$raised{ uc $1 } = $file while $source =~ /RAISE (\w+) USING/g;
	$raised{$1} = $file while $source =~ /errcode\(ERRCODE_(\w+)\)/g;
}
# Errors that only a defect, or a DBA who calls what is internal, would bring about.
delete @raised{qw(INTERNAL_ERROR E_R_I_E_TRIGGER_PROTOCOL_VIOLATED)};
my $errors = rows_under('Errors');
cmp_ok(scalar(keys %raised), '>', 8, 'errors are found in the sources');
foreach my $name (sort keys %raised)
{
	my $state = $state{$name} or die "errcodes.h has no $name";
	my $class = substr($state, 0, 2);
	ok($errors =~ /\b(?:$state\b|$class\*)/, "$name ($raised{$name}) is explained");
}

is(join("\n", @bare), '', 'every error has a hint');

$node->stop;
done_testing();
