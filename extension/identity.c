/*
 * identity.c
 *	  Who is asking: one parameter of context PGC_INTERNAL, which only C code
 *	  can set, with transaction scope.  And the two changes of rights that the
 *	  extension makes: to its owner for what users may not touch directly, and
 *	  to taskchat_user for what the relay does in a user's name.
 */
#include "taskchat.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

char	   *identity_name = NULL;

PG_FUNCTION_INFO_V1(taskchat_act_as);
PG_FUNCTION_INFO_V1(taskchat_current_user_id);
PG_FUNCTION_INFO_V1(taskchat_require_identity);

void
identity_init(void)
{
	DefineCustomStringVariable("taskchat.user_id",
							   "Shows the identity that taskchat.act_as() has set for this transaction.", NULL,
							   &identity_name, "",
							   PGC_INTERNAL,
							   GUC_NO_RESET_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   NULL, NULL, NULL);
}

/* The identity, or NULL where there is none.  Borrowed: valid until it changes. */
const char *
identity_get(void)
{
	return identity_name && identity_name[0] != '\0' ? identity_name : NULL;
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

/* Set the identity until the transaction (or subtransaction) ends; NULL clears it. */
void
identity_set(const char *user_id)
{
	(void) set_config_option("taskchat.user_id", user_id ? user_id : "",
							 PGC_INTERNAL, PGC_S_SESSION, GUC_ACTION_LOCAL, true, ERROR, false);
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
	Oid			owner;

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
