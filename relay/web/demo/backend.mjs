/*
 * backend.mjs: a stand-in for the application's own back end in the demo. It
 * knows nothing of chat: it changes the status of a row of the application's
 * table `tasks`, which is bound to taskchat by bind_tasks(), and so the change
 * shows in the task's conversation.
 *
 *   POST /status {"task_id": …, "status": …}   → {"status": …}
 *   GET  /status?task_id=…                     → {"status": …}
 *
 * Environment: DATABASE_URL, PORT (0: any free one), ALLOWED_ORIGIN (whose
 * page may ask; a comma list). Prints one line when it is ready; SIGTERM and
 * SIGINT end it.
 */

import { createServer } from 'node:http';
import pg from 'pg';

const STATUSES = new Set(['open', 'assigned', 'in_progress', 'completed']);
const MAX_BODY = 4096;
const origins = new Set((process.env.ALLOWED_ORIGIN ?? '').split(',').map((one) => one.trim()).filter(Boolean));

const pool = new pg.Pool({
	connectionString: process.env.DATABASE_URL,
	max: 2,
	connectionTimeoutMillis: 5000,
	application_name: 'taskchat demo back end',
});
/* An idle connection that breaks is replaced by the pool; the next query tells if it can't be. */
pool.on('error', () => {});

class Refusal extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

async function readBody(request) {
	let text = '';
	for await (const chunk of request) {
		text += chunk;
		if (text.length > MAX_BODY)
			throw new Refusal(413, 'the body is too large');
	}
	try {
		return JSON.parse(text) ?? {};
	} catch {
		throw new Refusal(400, 'the body is no JSON');
	}
}

async function firstRow(sql, values) {
	const { rows } = await pool.query(sql, values);
	if (rows.length === 0)
		throw new Refusal(404, 'no such task');
	return { status: rows[0].status };
}

async function getStatus(_request, url) {
	const taskId = url.searchParams.get('task_id');
	if (!taskId)
		throw new Refusal(400, 'task_id is needed');
	return firstRow('SELECT status FROM tasks WHERE id = $1', [taskId]);
}

async function setStatus(request) {
	const { task_id: taskId, status } = await readBody(request);
	if (typeof taskId !== 'string' && typeof taskId !== 'number')
		throw new Refusal(400, 'task_id is needed');
	if (!STATUSES.has(status))
		throw new Refusal(400, `status must be one of ${[...STATUSES].join(', ')}`);
	return firstRow('UPDATE tasks SET status = $1 WHERE id = $2 RETURNING status', [status, String(taskId)]);
}

const handlers = { GET: getStatus, POST: setStatus };

/* Which HTTP status an error means: a value that isn't of the key's type is the asker's fault. */
function statusOf(error) {
	if (error instanceof Refusal)
		return error.status;
	return typeof error.code === 'string' && error.code.startsWith('22') ? 400 : 503;
}

function corsHeaders(request) {
	const origin = request.headers.origin;
	if (!origin || !(origins.has(origin) || origins.has('*')))
		return {};
	return {
		'Access-Control-Allow-Origin': origin,
		'Access-Control-Allow-Methods': 'GET, POST',
		'Access-Control-Allow-Headers': 'Content-Type',
		'Access-Control-Max-Age': '600',
		Vary: 'Origin',
	};
}

async function answer(request, response) {
	const headers = { ...corsHeaders(request), 'Cache-Control': 'no-store' };
	if (request.method === 'OPTIONS') {
		response.writeHead(204, headers).end();
		return;
	}
	let status = 200;
	let body;
	try {
		const url = new URL(request.url, 'http://localhost');
		if (url.pathname !== '/status')
			throw new Refusal(404, 'no such route');
		/* Only the page itself may change something, or who is no browser. */
		if (request.method === 'POST' && request.headers.origin && !headers['Access-Control-Allow-Origin'])
			throw new Refusal(403, 'this origin is not allowed');
		const handler = handlers[request.method];
		if (!handler)
			throw new Refusal(405, 'GET or POST');
		body = await handler(request, url);
	} catch (error) {
		status = statusOf(error);
		body = { error: status === 503 ? 'the database does not answer' : error.message };
	}
	response.writeHead(status, { ...headers, 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

const server = createServer(answer);

async function stop() {
	server.close();
	server.closeAllConnections();
	await pool.end();
	process.exit(0);
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
server.on('error', (error) => {
	process.stderr.write(`demo back end: ${error.message}\n`);
	process.exit(1);
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
	process.stdout.write(`demo back end ready: http://127.0.0.1:${server.address().port}/status\n`);
});
