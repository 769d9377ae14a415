/*
 * identity: who asks.  See identity.c.
 */
CREATE FUNCTION taskchat.act_as(user_id text) RETURNS void
	AS 'MODULE_PATHNAME', 'taskchat_act_as' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION taskchat.act_as(text) IS 'Sets the identity for this transaction; NULL clears it';

CREATE FUNCTION taskchat.current_user_id() RETURNS text
	AS 'MODULE_PATHNAME', 'taskchat_current_user_id' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION taskchat.current_user_id() IS 'The identity, or NULL';

CREATE FUNCTION taskchat.require_identity() RETURNS text
	AS 'MODULE_PATHNAME', 'taskchat_require_identity' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION taskchat.require_identity() IS 'Internal: the identity, or the error that there is none';

CREATE FUNCTION taskchat.create_ticket(user_id text, ttl interval DEFAULT '60 seconds') RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ticket text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
BEGIN
	PERFORM taskchat.check_id('user_id', create_ticket.user_id);
	PERFORM taskchat.refuse_null('ttl', ttl IS NULL);
	IF ttl <= interval '0' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'ttl must be positive', HINT = 'Pass an interval such as ''60 seconds''.';
	END IF;
	/* What others are clearing away, in a transaction that may be long, is left to them. */
	DELETE FROM taskchat.tickets t WHERE t.hash IN (
		SELECT e.hash FROM taskchat.tickets e WHERE e.expires_at < clock_timestamp() LIMIT 100 FOR UPDATE SKIP LOCKED);
	INSERT INTO taskchat.tickets
		VALUES (sha256(convert_to(ticket, 'UTF8')), create_ticket.user_id, clock_timestamp() + ttl);
	RETURN ticket;
END
$$;
COMMENT ON FUNCTION taskchat.create_ticket(text, interval) IS 'A single-use ticket for one WebSocket log-in';
