# plpgsql_check reads every PL/pgSQL function; whatever it says is a failure.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION taskchat; CREATE EXTENSION plpgsql_check');

# A trigger function is checked once for each relation that it can be on; bound
# tables are any table's.
$node->safe_psql('postgres', 'CREATE TABLE bound (id bigint, creator_id text, status text)');
my $functions = q{
	SELECT p.oid, coalesce(t.relid, 0) AS relid FROM pg_proc AS p
	JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
	LEFT JOIN LATERAL (
		SELECT coalesce(g.tgrelid, 'bound'::regclass::oid) AS relid
		FROM (SELECT 1) AS one LEFT JOIN pg_trigger AS g ON g.tgfoid = p.oid
		WHERE p.prorettype = 'trigger'::regtype) AS t ON true
	WHERE p.pronamespace = 'taskchat'::regnamespace};

cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM ($functions) AS f"), '>', 30, 'there are functions to check');

is( $node->safe_psql('postgres', qq{
		SELECT f.oid::regprocedure, c.lineno, c.level, c.sqlstate, c.message, c.detail
		FROM ($functions) AS f, LATERAL plpgsql_check_function_tb(f.oid, f.relid,
			other_warnings => true, extra_warnings => true, performance_warnings => true,
			security_warnings => true, compatibility_warnings => true) AS c
		WHERE c.detail IS DISTINCT FROM 'attention: cannot to determine volatility of used dynamic SQL'
		ORDER BY 1, 2}),
	'', 'plpgsql_check finds nothing');

# It would: a function with a hole in it.
$node->safe_psql('postgres', q{
	CREATE FUNCTION taskchat.hole(t text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN EXECUTE 'SELECT 1 FROM ' || t; PERFORM nothing FROM taskchat.task_rooms; END $$});
like(
	$node->safe_psql('postgres', q{
		SELECT string_agg(message, ',') FROM plpgsql_check_function_tb('taskchat.hole', security_warnings => true)}),
	qr/is not sanitized.*nothing.*does not exist|nothing.*does not exist.*is not sanitized/, 'it finds what is wrong');

$node->stop;
done_testing();
