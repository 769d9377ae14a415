/*
 * uuid.c
 *	  Random bytes, and the ids that are made of them.
 */
#include "taskchat.h"

#include "fmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(taskchat_uuid_v7);

/* So many (at most 256) random bytes, drawn in stock: asking for a few costs nearly as much as for many. */
void
take_random(unsigned char *out, int count)
{
	static unsigned char stock[256];
	static int	left = 0;

	if (left < count)
	{
		if (!pg_strong_random(stock, sizeof(stock)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
		left = sizeof(stock);
	}
	left -= count;
	memcpy(out, stock + left, count);
	memset(stock + left, 0, count);
}

/* RFC 9562 section 5.7: 48 bits of Unix milliseconds, the rest random. */
pg_uuid_t *
uuid_v7(void)
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));
	uint64		ms = (uint64) (GetCurrentTimestamp() / 1000 +
							   (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * INT64CONST(86400000));
	int			i;

	for (i = 0; i < 6; i++)
		uuid->data[i] = (unsigned char) (ms >> (8 * (5 - i)));
	take_random(uuid->data + 6, UUID_LEN - 6);
	uuid->data[6] = (uuid->data[6] & 0x0f) | 0x70;
	uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;
	return uuid;
}

/* uuid_v7() → uuid */
Datum
taskchat_uuid_v7(PG_FUNCTION_ARGS)
{
	PG_RETURN_UUID_P(uuid_v7());
}
