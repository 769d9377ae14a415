# No configuration file forges the identity, however the library is loaded.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION taskchat;
	SELECT taskchat.open_room('1', 'ada');
	SELECT taskchat.send_system_message('1', 'a secret');});

my $sees = q{
	SET ROLE taskchat_user;
	SELECT count(*), taskchat.current_user_id() IS NULL FROM taskchat.task_messages;};

sub sqlstate
{
	my ($statement) = @_;
	my $err;
	$node->psql('postgres', "\\set VERBOSITY sqlstate\n$statement", stderr => \$err, on_error_stop => 0);
	return $err =~ /ERROR:  (\w{5})/ ? $1 : 'ok';
}

is(sqlstate(q{LOAD 'taskchat'; ALTER SYSTEM SET taskchat.user_id = 'ada'}), '55P02', 'ALTER SYSTEM is refused');
is(sqlstate(q{LOAD 'taskchat'; ALTER SYSTEM RESET taskchat.user_id}), '55P02', 'ALTER SYSTEM RESET too');

# Straight into the catalog, past all checks.
$node->safe_psql('postgres', q{
	INSERT INTO pg_db_role_setting SELECT oid, 0, '{taskchat.user_id=ada}' FROM pg_database WHERE datname = current_database()});
is($node->safe_psql('postgres', $sees), '0|t', 'a stored setting has no effect');
$node->safe_psql('postgres', 'DELETE FROM pg_db_role_setting');

$node->safe_psql('postgres', q{CREATE ROLE app LOGIN IN ROLE taskchat_user; ALTER ROLE app SET taskchat.user_id = 'ada'});
is($node->safe_psql('postgres', 'SELECT count(*), taskchat.current_user_id() IS NULL FROM taskchat.task_messages', extra_params => [ '-U', 'app' ]),
	'0|t', "nor has a role's");

$node->append_conf('postgresql.conf', "taskchat.user_id = 'ada'");
$node->reload;
is($node->safe_psql('postgres', $sees), '0|t', 'nor has postgresql.conf');
foreach my $how (qw(session_preload_libraries shared_preload_libraries))
{
	$node->append_conf('postgresql.conf', "$how = 'taskchat'");
	$node->restart;
	is($node->safe_psql('postgres', $sees), '0|t', "nor with $how");
	local $ENV{PGOPTIONS} = '-c taskchat.user_id=ada';
	my ($out, $err);
	my $status = $node->psql('postgres', $sees, stdout => \$out, stderr => \$err);
	ok($status != 0 || $out eq '0|t', "nor PGOPTIONS with $how");
}
is( $node->safe_psql('postgres', q{
		BEGIN; SELECT FROM taskchat.act_as('ada'); SELECT count(*) FROM taskchat.task_messages; COMMIT;} . $sees),
	"1\n0|t", 'act_as() works there, for its transaction');

$node->stop;
done_testing();
