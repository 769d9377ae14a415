/*
 * identity.c
 *	  Who is asking: set by C code only, for the transaction, and undone by
 *	  ROLLBACK TO.  It is not the value of a parameter: PostgreSQL goes through
 *	  all its parameters at the end of a transaction that has set one (3,400
 *	  instructions).  A parameter that nobody can set shows it.
 *
 *	  And the two changes of rights that the extension makes: to its owner for
 *	  what users may not touch directly, and to taskchat_user for what the relay
 *	  does in a user's name.
 */
#include "taskchat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* What is set in one (sub)transaction; in TopTransactionContext. */
typedef struct Identity
{
	int			level;			/* of nested transactions */
	char	   *user_id;		/* NULL: cleared */
	struct Identity *outer;		/* of a lower level; NULL: none is set there */
} Identity;

static Identity *identity = NULL;

static char *shown = NULL;		/* the parameter's variable, which stays empty */

PG_FUNCTION_INFO_V1(taskchat_act_as);
PG_FUNCTION_INFO_V1(taskchat_current_user_id);
PG_FUNCTION_INFO_V1(taskchat_require_identity);

/* The identity, or NULL where there is none.  Borrowed: valid until it changes. */
const char *
identity_get(void)
{
	return identity ? identity->user_id : NULL;
}

static const char *
show_identity(void)
{
	const char *user_id = identity_get();

	return user_id ? user_id : "";
}

static void
drop(Identity **place)
{
	Identity   *gone = *place;

	*place = gone->outer;
	if (gone->user_id)
		pfree(gone->user_id);
	pfree(gone);
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *arg)
{
	if (identity == NULL || identity->level < GetCurrentTransactionNestLevel())
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		drop(&identity);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		identity->level--;
		if (identity->outer && identity->outer->level == identity->level)
			drop(&identity->outer);
	}
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		identity = NULL;
}

static Oid	owner = InvalidOid;	/* of the extension; InvalidOid: to be looked up */

static void
forget_owner(Datum arg, int cache, uint32 hash)
{
	owner = InvalidOid;
}

void
identity_init(void)
{
	DefineCustomStringVariable("taskchat.user_id",
							   "Shows the identity that taskchat.act_as() has set for this transaction.", NULL,
							   &shown, "",
							   PGC_INTERNAL,
							   GUC_NO_RESET_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   NULL, NULL, show_identity);
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_owner, (Datum) 0);
}

/* The identity; 28000 where there is none. */
const char *
identity_require(void)
{
	const char *user_id = identity_get();

	if (user_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("no taskchat identity is set"),
				 errhint("A back end calls taskchat.act_as(user_id) in the same transaction first.")));
	return user_id;
}

/* Set the identity until the transaction ends or the subtransaction is rolled back; NULL clears it. */
void
identity_set(const char *user_id)
{
	int			level = GetCurrentTransactionNestLevel();
	Identity   *new = MemoryContextAlloc(TopTransactionContext, sizeof(Identity));

	new->level = level;
	new->user_id = user_id ? MemoryContextStrdup(TopTransactionContext, user_id) : NULL;
	if (identity && identity->level == level)
		drop(&identity);
	new->outer = identity;
	identity = new;
}

/* act_as(user_id text): sets the caller's identity for this transaction. */
Datum
taskchat_act_as(PG_FUNCTION_ARGS)
{
	char	   *user_id;

	if (PG_ARGISNULL(0))
	{
		identity_set(NULL);
		PG_RETURN_VOID();
	}
	user_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	check_id("user_id", user_id, TASKCHAT_MAX_ID);
	identity_set(user_id);
	PG_RETURN_VOID();
}

Datum
taskchat_current_user_id(PG_FUNCTION_ARGS)
{
	const char *user_id = identity_get();

	if (user_id == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(user_id));
}

/* require_identity() → text: the identity; 28000 where there is none. */
Datum
taskchat_require_identity(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(identity_require()));
}

static Oid
owner_oid(void)
{
	HeapTuple	tuple;

	if (OidIsValid(owner))
		return owner;
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(get_namespace_oid("taskchat", false)));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "schema taskchat has vanished");
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Act with the rights of the extension's owner until rights_restore(). */
void
rights_become_owner(Rights *saved)
{
	GetUserIdAndSecContext(&saved->user_id, &saved->sec_context);
	SetUserIdAndSecContext(owner_oid(), saved->sec_context | SECURITY_LOCAL_USERID_CHANGE);
}

/* Act with the rights of role taskchat_user until rights_restore(). */
void
rights_become_user(Rights *saved)
{
	GetUserIdAndSecContext(&saved->user_id, &saved->sec_context);
	SetUserIdAndSecContext(get_role_oid("taskchat_user", false),
						   saved->sec_context | SECURITY_LOCAL_USERID_CHANGE);
}

void
rights_restore(const Rights *saved)
{
	SetUserIdAndSecContext(saved->user_id, saved->sec_context);
}
