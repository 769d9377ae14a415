# taskchat.doorbell = 'shared': bells go through memory that the server's
# processes share, after the commit and without NOTIFY, to those sessions that
# said hello as relays do. Nobody waits for who doesn't read on.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $PIECE = 65536;
my $RING = 1024 * 1024;
my $CALLS = 64;

sub new_node
{
	my ($name, @conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
	$node->append_conf('postgresql.conf', $_) foreach 'restart_after_crash = on', 'max_prepared_transactions = 10', 'max_connections = 250', @conf;
	$node->start;
	return $node;
}

my $SCHEMA = q{
	CREATE EXTENSION taskchat;
	SELECT taskchat.open_room('1', 'ada'); };
my $send = q{SELECT FROM taskchat.send_message('1', 'hello')};

# Without a share of the server's memory
my $bare = new_node('bare', q{taskchat.doorbell = 'shared'});
$bare->safe_psql('postgres', $SCHEMA);
my ($status, undef, $error) = $bare->psql('postgres', q{LOAD 'taskchat'; SET taskchat.doorbell = 'shared'}, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($error, qr/ERROR:  55000: taskchat.doorbell = 'shared' needs .*shared_preload_libraries/s, 'it cannot be set where the library is not preloaded');
is($bare->safe_psql('postgres', q{SELECT taskchat.current_user_id() IS NULL; SHOW taskchat.doorbell}), "t\ninline", 'in the file it is passed over');
my $bare_channel = $bare->safe_psql('postgres', 'SELECT channel FROM taskchat.relay_hello()');
like($bare->safe_psql('postgres', "LISTEN $bare_channel; BEGIN; SELECT FROM taskchat.act_as('ada'); $send; COMMIT"), qr/notification/, 'and bells ring by NOTIFY');
$bare->stop;

my $node = new_node('main', q{shared_preload_libraries = 'taskchat'}, q{taskchat.doorbell = 'shared'});
$node->safe_psql('postgres', $SCHEMA);
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', $SCHEMA);
is($node->safe_psql('postgres', 'SHOW taskchat.doorbell'), 'shared', 'preloaded, it can be set in the file');
my $room = $node->safe_psql('postgres', q{SELECT room_id FROM taskchat.task_rooms});

sub listener
{
	my ($database) = @_;
	my $session = $node->background_psql($database // 'postgres');
	my $channel = $session->query_safe('SELECT channel FROM taskchat.relay_hello()');
	$session->query_safe("LISTEN $channel");
	return $session;
}

# Payloads that a session has been told since it was last asked; of events only the letter and the room.
sub told
{
	my ($session) = @_;
	return join ' ', $session->query_safe('SELECT 1') =~ /with payload "([^\s"]+)/g;
}

sub in_database
{
	my ($database, $sql) = @_;
	$node->safe_psql($database, "BEGIN; SELECT FROM taskchat.act_as('ada'); $sql; COMMIT");
}

sub run { in_database('postgres', $_[0]) }

sub bells
{
	my ($from, $to) = @_;
	return "SELECT count(taskchat.ring('r', i::text)) FROM generate_series($from, $to) i";
}

my $listener = listener();
my $channel = $node->safe_psql('postgres', 'SELECT channel FROM taskchat.doorbell_channel');
my $mere = $node->background_psql('postgres');
$mere->query_safe("LISTEN $channel");

run($send);
is(told($listener), "E$room", 'a message comes along with its bell');
is(told($mere), '', 'who only listens to the channel hears nothing: there was no NOTIFY');
my $own_pid = $listener->query_safe('SELECT pg_backend_pid()');
run($send);
like($listener->query_safe('SELECT 1'), qr/payload "E.*" received from server process with PID $own_pid\b/s, 'said by the own process, as nobody else can');
my $pid = $node->safe_psql('postgres', "SELECT pg_backend_pid(); BEGIN; SELECT FROM taskchat.act_as('ada'); $send; $send; COMMIT") =~ s/\s.*//sr;
like($listener->query_safe('SELECT 1'), qr/payload "r$room" received from server process with PID $pid\b/, 'a bell says whose it is');
run("$send; $send");
is(told($listener), "r$room", 'two messages of one transaction have one bell, without an event');
run("SAVEPOINT a; $send; ROLLBACK TO a");
is(told($listener), "r$room", 'a bell survives ROLLBACK TO');
$node->safe_psql('postgres', "BEGIN; SELECT FROM taskchat.act_as('ada'); $send; ROLLBACK");
$node->safe_psql('postgres', "BEGIN; SELECT FROM taskchat.act_as('ada'); $send; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'");
is(told($listener), '', 'nothing rings for ROLLBACK and PREPARE TRANSACTION');
run("SET LOCAL taskchat.doorbell = 'inline'; $send");
is(told($listener), "e$room", 'a session that rings by NOTIFY is heard too');
is(told($mere), "e$room", 'by whoever listens');
is($listener->query_safe('SELECT channel FROM taskchat.relay_hello()'), $channel, 'saying hello again');
run($send);
is(told($listener), "E$room", 'changes nothing');

# To each its own database's
my $elsewhere = listener('other');
my $other_room = $node->safe_psql('other', 'SELECT room_id FROM taskchat.task_rooms');
run("SELECT taskchat.ring('p', 'here')");
in_database('other', "SELECT taskchat.ring('p', 'there')");
is(told($listener), 'phere', "this database's bell");
is(told($elsewhere), 'pthere', "the other's");

# More than is taken at once, in order, each once
run(bells(1, 20000));
is(told($listener), join(' ', map { "r$_" } 1 .. 20000), 'many bells come in order');

# Who sits in a transaction does not hear, and nobody waits for it
sub behind
{
	my ($sql) = @_;
	$listener->query_safe('BEGIN');
	$node->safe_psql('postgres', $_) foreach @$sql;
	return $listener->query_safe('COMMIT');
}
my $event = "BEGIN; SELECT FROM taskchat.act_as('ada'); $send; COMMIT";
my $nearly = int($RING / 8 / 20);
like(behind([ $event ]), qr/payload "E$room /, 'a listener that is somewhat behind is sent events');
like(behind([ bells(100000, 100000 + 2 * $nearly), $event ]), qr/payload "r$room"/, 'far behind, bells without events');
my $heard = behind([ bells(100000, 100000 + $RING / 20), $event ]);
like($heard, qr/payload "o" /, 'past the ring it is told that bells were lost');
unlike($heard, qr/payload "r/, 'and no old ones');
run($send);
is(told($listener), "E$room", 'then it hears again');
run(bells(1, 100000));
is(told($listener), 'o', 'one transaction may ring more than the ring holds');

# A listener of another database that nobody rings for is not run over
in_database('other', bells(1, 10));
told($elsewhere);
run(bells(1, $RING / 40));
run(bells(1, $RING / 40));
run(bells(1, $RING / 40));
is(told($elsewhere), '', 'bells of other databases are not missed');
run(bells(1, 100000));
is(told($elsewhere), '', 'nor are more than the ring holds');
in_database('other', bells(7, 7));
is(told($elsewhere), 'r7', 'it hears its own');
told($listener);

# One who said hello, and sits there idle and without LISTEN, does not spoil it for all
my $idle = $node->background_psql('postgres');
$idle->query_safe('SELECT FROM taskchat.relay_hello()');
run(bells(100000, 100000 + 2 * $nearly));
sleep 6;
told($listener);
run($send);
is(told($listener), "E$room", 'events come along for others where one has not looked for long');
run(bells(100000, 100000 + $RING / 20));
told($listener);
run($send);
is(told($listener), "E$room", 'and where it has lost bells');
like($idle->query_safe('SELECT 1'), qr/payload "o"/, 'it is told so when it comes back');
$idle->quit;

# A bell that cannot be put into the client's encoding is an error, and others are lost with it
$node->safe_psql('postgres', "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
$node->safe_psql('ascii', $SCHEMA);
my $converting = $node->background_psql('ascii', on_error_stop => 0);
$converting->query('SET client_encoding = UTF8');
$converting->query('LISTEN ' . $converting->query_safe('SELECT channel FROM taskchat.relay_hello()'));
$converting->query('BEGIN');
in_database('ascii', "SELECT taskchat.ring('r', '1'), taskchat.ring('p', E'\\xff'), taskchat.ring('r', '2')");
my $ended = $converting->query('COMMIT');
like($converting->{stderr}, qr/invalid byte sequence/, 'the transaction in which they are heard fails');
$converting->{stderr} = '';
like($ended . $converting->query_safe('SELECT 1'), qr/payload "o"/, 'and the next one says that bells were lost');
in_database('ascii', bells(3, 3));
is(told($converting), 'r3', 'then it hears again');
$converting->quit;

# More listeners than are called at once
my @crowd = map { listener() } 1 .. 3 * $CALLS + 6;
run($send);
is((join ' ', map { told($_) } @crowd, $listener), join(' ', ("E$room") x (@crowd + 1)), 'a crowd hears all');

# How often the server's processes have gone to sleep; each time somebody has woken them
sub sleeps
{
	my $sum = 0;
	foreach my $pid (split /\n/, $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()}))
	{
		$sum += slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : die;
	}
	return $sum;
}
SKIP:
{
	skip 'there is no /proc', 1 unless -e "/proc/$$/status";
	my $before = sleeps();
	$node->safe_psql('postgres', "$event;" x 10);
	$node->safe_psql('postgres', 'SELECT 1');
	my $slept = sleeps() - $before;
	ok($slept >= @crowd && $slept < 5 * 10 * @crowd, 'each is called once for each transaction');
	told($listener);
}
$_->quit foreach @crowd;
run($send);
is(told($listener), "E$room", 'who has gone is called no more');
my $late = listener();
run($send);
is(told($late), "E$room", 'its place is given to the next');

# Nobody reads at all
$_->quit foreach $listener, $late, $elsewhere, $mere;
my $last_seq = 'SELECT last_seq FROM taskchat.task_rooms';
my $seq = $node->safe_psql('postgres', $last_seq);
run($send);
is($node->safe_psql('postgres', $last_seq), $seq + 1, 'without listeners messages are stored');

# A server process that is killed takes all others along; then it begins anew
$listener = listener();
my $victim = $listener->query_safe('SELECT pg_backend_pid()');
kill 9, $victim;
$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
eval { $listener->quit };
$listener = listener();
run($send);
is(told($listener), "E$room", 'after a crash of the server bells ring');
$listener->quit;
$node->stop;
done_testing();
