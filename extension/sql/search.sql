/*
 * search: full text, over an index that row-level security would shut out
 * (its operator isn't leakproof); so with the owner's rights, and with the
 * caller's rooms as a condition.
 */
CREATE FUNCTION taskchat.search_messages(query text, task_id text DEFAULT NULL, max_rows int DEFAULT 50,
		applicant_id text DEFAULT NULL) RETURNS SETOF taskchat.task_messages
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rooms bigint[] := taskchat.my_rooms();
	wanted int := taskchat.page_size(max_rows, 50);
BEGIN
	PERFORM taskchat.require_identity();
	PERFORM taskchat.refuse_null('query', query IS NULL);
	IF octet_length(query) > 1024 THEN
		RAISE program_limit_exceeded USING MESSAGE = 'query is too long', HINT = 'At most 1024 bytes are allowed.';
	END IF;
	IF search_messages.task_id IS NOT NULL THEN
		rooms := ARRAY[taskchat.find_room(search_messages.task_id, search_messages.applicant_id, false)];
	ELSIF search_messages.applicant_id IS NOT NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = 'applicant_id without task_id names no room',
			HINT = 'Pass both, or neither to search all rooms of the caller.';
	END IF;
	RETURN QUERY
	SELECT m.* FROM taskchat.task_messages m
	WHERE to_tsvector('pg_catalog.simple'::regconfig, m.content) @@ websearch_to_tsquery('pg_catalog.simple'::regconfig, query)
		AND m.room_id = ANY (rooms)
	ORDER BY m.created_at DESC, m.room_id DESC, m.seq DESC LIMIT wanted;
END
$$;
COMMENT ON FUNCTION taskchat.search_messages(text, text, int, text) IS 'Messages with these words in the caller''s rooms, newest first; "a phrase", or, -without';
