# taskchat: builds and installs the extension (by PGXS) and the relay, and
# runs the tests and the demo.
#
#   make, make install, make installcheck, make clean   the habit of PGXS:
#                     PG_CONFIG chooses the server, DESTDIR is honoured
#   make check        sets up what is missing and runs every test
#   make check-faults every fault under load; SEED=N repeats a run, ROUNDS=N
#                     makes several
#   make soak         mixed load with random faults for an hour: memory and
#                     descriptors must stay flat; SOAK_SECONDS=N, SEED=N
#   make check-long   fuzzing, valgrind, packaging, a flood of 100,000 frames, the
#                     benchmark in small, readers that do not read;
#                     FUZZ_SECONDS=N (120) for each target
#   make bench        measures taskchat and its peers under load; WORKLOADS="w1 w2",
#                     PEERS="taskchat node-ws", ROUNDS=N, MINUTES=N choose
#   make demo         the same, then a page with two people in a conversation
#   make lint         the rules of the house that grep can see
#   make format       clang-format over the C sources
#
# `check` and `demo` set up a machine that may have no PostgreSQL yet, so they
# are dispatched before pg_config is asked for anything.

SETUP_GOALS = bench check check-faults check-long demo soak
SCRIPT_GOALS = lint version-check format

ifneq (,$(filter $(SETUP_GOALS) $(SCRIPT_GOALS),$(MAKECMDGOALS)))

.PHONY: $(SETUP_GOALS) $(SCRIPT_GOALS)

check demo:
	@TASKCHAT_UNDER_MAKE=1 PG_CONFIG='$(PG_CONFIG)' DEMO_PORT='$(DEMO_PORT)' exec test/$@

bench:
	@TASKCHAT_UNDER_MAKE=1 PG_CONFIG='$(PG_CONFIG)' WORKLOADS='$(WORKLOADS)' PEERS='$(PEERS)' ROUNDS='$(ROUNDS)' MINUTES='$(MINUTES)' exec test/bench/run

check-faults:
	@TASKCHAT_UNDER_MAKE=1 PG_CONFIG='$(PG_CONFIG)' SEED='$(SEED)' ROUNDS='$(ROUNDS)' exec test/check faults-whole faults-slow

soak:
	@TASKCHAT_UNDER_MAKE=1 PG_CONFIG='$(PG_CONFIG)' SEED='$(SEED)' SOAK_SECONDS='$(SOAK_SECONDS)' exec test/check soak

check-long:
	@TASKCHAT_UNDER_MAKE=1 PG_CONFIG='$(PG_CONFIG)' FUZZ_SECONDS='$(FUZZ_SECONDS)' exec test/check fuzz-long memcheck bench packaging flood-long stalled

lint:
	@test/lint

version-check:
	@test/version

format:
	clang-format -i $(wildcard extension/*.[ch] relay/*.[ch] test/unit/*.[ch])

else

EXTENSION = extension/taskchat
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" $(EXTENSION).control)
INSTALL_SCRIPT_SQL = $(EXTENSION)--$(EXTVERSION).sql

MODULE_big = taskchat
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard extension/*.c)))
DATA = $(wildcard extension/updates/*.sql)
DATA_built = $(INSTALL_SCRIPT_SQL)
PGFILEDESC = "taskchat - messages, presence and events for tasks"
SHLIB_LINK = $(filter -lcrypto,$(LIBS))
PG_CPPFLAGS = -DTASKCHAT_VERSION='"$(EXTVERSION)"'

# One file a concern, joined in this order.
SQL_CONCERNS = prologue tables identity rooms membership messages search receipts \
	presence notifications delivery retention binding wire relay policies grants comments
SQL_PARTS = $(patsubst %,extension/sql/%.sql,$(SQL_CONCERNS))

# Tests of the first list run first and in this order; the others follow.
REGRESS_ORDER = identity rooms membership messages receipts presence \
	notifications binding relay policies grants
REGRESS_FOUND = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS = $(filter $(REGRESS_FOUND),$(REGRESS_ORDER)) \
	$(filter-out $(REGRESS_ORDER),$(REGRESS_FOUND))

ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation

TAP_TESTS = 1
PROVE_TESTS = $(sort $(wildcard test/t/*.pl))

EXTRA_CLEAN = $(wildcard $(EXTENSION)--*.sql) .build results regression.diffs \
	regression.out relay/web/node_modules relay/web/dist relay/web/dist-demo \
	test/e2e/node_modules test/bench/node_modules test/bench/.nginx

PG_CONFIG ?= pg_config
ifeq (,$(shell command -v $(PG_CONFIG)))
$(error $(PG_CONFIG) is not there: install PostgreSQL's server headers (Debian: postgresql-server-dev-15) or say make PG_CONFIG=/path/to/pg_config)
endif
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS) $(OBJS:.o=.bc): $(wildcard extension/*.h) $(EXTENSION).control

$(INSTALL_SCRIPT_SQL): $(SQL_PARTS) $(EXTENSION).control Makefile
	cat $(SQL_PARTS) > $@.new && mv $@.new $@

# The relay has a Makefile of its own: PGXS builds no programs beside a module.
RELAY_MAKE = $(MAKE) -C relay VERSION=$(EXTVERSION) PG_CONFIG='$(PG_CONFIG)' \
	DESTDIR='$(DESTDIR)' bindir='$(bindir)'

.PHONY: all-relay install-relay uninstall-relay clean-relay list-regress list-isolation

all: all-relay
install: install-relay
uninstall: uninstall-relay
clean: clean-relay

all-relay:
	+@$(RELAY_MAKE) --no-print-directory all

install-relay: all-relay
	+@$(RELAY_MAKE) --no-print-directory install

uninstall-relay:
	+@$(RELAY_MAKE) --no-print-directory uninstall

clean-relay:
	+@$(RELAY_MAKE) --no-print-directory clean

list-regress:
	@echo $(REGRESS)

list-isolation:
	@echo $(ISOLATION)

endif
