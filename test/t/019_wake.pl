# The session that a relay listens with asks Linux for short turns on the
# processor, so that it is let on early; other sessions don't, and how nice it
# is stays as it was. Where the system would kill the server for asking, it
# doesn't.
use strict;
use warnings FATAL => 'all';
use Config;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Numbers of sched_setattr(2), sched_getattr(2), prctl(2).
my ($set, $get, $prctl) = $Config{archname} =~ /^x86_64-linux/ ? (314, 315, 157) : $Config{archname} =~ /^aarch64-linux/ ? (274, 275, 167) : ();
my $SHORT = 100000;
my $SIZE = 48;
my $SIGSYS = 31;

# Niceness and length of a turn, in nanoseconds. (syscall() would pass the address of a pid in letters.)
sub scheduling
{
	my ($pid) = @_;
	my $attributes = "\0" x $SIZE;
	syscall($get, $pid + 0, $attributes, $SIZE, 0) == 0 or die "sched_getattr: $!";
	my (undef, undef, undef, $nice, undef, $turn) = unpack('LLQlLQ', $attributes);
	return ($nice, $turn);
}

# What became of a child that did this; its result is the exit status.
sub in_child
{
	my ($work) = @_;
	my $pid = fork() // die "fork: $!";
	POSIX::_exit($work->()) if $pid == 0;
	waitpid($pid, 0);
	return $?;
}

# Does this kernel lend out short turns (from 6.12 on), and lets us ask?
sub knows_turns
{
	return 0 == in_child(sub {
		my ($nice) = scheduling(0);
		my $asked = syscall($set, 0, pack('LLQlLQQQ', $SIZE, 0, 0, $nice, 0, $SHORT, 0, 0), 0) == 0;
		return $asked && (scheduling(0))[1] == $SHORT ? 0 : 1;
	});
}

plan skip_all => 'the numbers of the system calls here are not known' unless defined $get;
plan skip_all => 'system calls are filtered here' if syscall($prctl, 21, 0, 0, 0, 0) > 0;
plan skip_all => 'this system lends out no short turns' unless knows_turns();

# From now on who asks for turns is killed: this process and those that it starts.
sub forbid_asking
{
	my $filter = join '', map { pack('SCCL', @$_) } [ 0x20, 0, 0, 0 ], [ 0x15, 0, 1, $set ], [ 0x06, 0, 0, 0x80000000 ], [ 0x06, 0, 0, 0x7fff0000 ];
	my $program = pack('S x6 P', 4, $filter);
	syscall($prctl, 38, 1, 0, 0, 0) == 0 or die "no_new_privs: $!";
	syscall($prctl, 22, 2, $program, 0, 0) == 0 or die "seccomp: $!";
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION taskchat; CREATE ROLE relay LOGIN IN ROLE taskchat_relay;');

my $listener = $node->background_psql('postgres', extra_params => [ '-U', 'relay' ]);
my $other = $node->background_psql('postgres');
my ($pid, $other_pid) = map { $_->query_safe('SELECT pg_backend_pid()') } $listener, $other;
my ($nice, $turn) = scheduling($pid);

cmp_ok($turn, '>', $SHORT, 'a turn is longer at first');
like($listener->query_safe('SELECT interface FROM taskchat.relay_hello()'), qr/^\d+$/, 'the relay says hello');
is_deeply([ scheduling($pid) ], [ $nice, $SHORT ], 'its turns are short now, and it is as nice as before');
is_deeply([ scheduling($other_pid) ], [ $nice, $turn ], 'turns of another session are not');

my (undef, undef, $error) = $node->psql('postgres', 'SELECT taskchat.become_listener()', extra_params => [ '-U', 'relay' ]);
like($error, qr/permission denied for function become_listener/, 'nobody else may ask for it');

$listener->quit;
$other->quit;
$node->stop;

forbid_asking();
is(in_child(sub { syscall($set, 0, 0, 0); return 0 }) & 127, $SIGSYS, 'who asks is killed now');
$node->start;
like($node->safe_psql('postgres', 'SELECT interface FROM taskchat.relay_hello()', extra_params => [ '-U', 'relay' ]), qr/^\d+$/,
	'the server does not ask');
$node->stop;
done_testing();
