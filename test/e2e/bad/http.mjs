// HTTP that is not well-formed, not allowed or not meant for the relay: raw
// bytes and the status ("dropped": the connection ends without one).
const get = (path, headers = [], method = 'GET') => [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers, '', ''].join('\r\n');

const post = (path, token, body, headers = [`Content-Length: ${Buffer.byteLength(body)}`]) =>
  get(path, [`Authorization: Bearer ${token}`, 'Content-Type: application/json', ...headers], 'POST') + body;

// The API, as a user who is in "own" and "shut", observes "seen" and is a
// stranger to "live" (see commands.mjs).
const api = (token) => {
  const ask = (path) => get(path, [`Authorization: Bearer ${token}`]);
  return [
    ['API without a token', get('/api/rooms'), '401'],
    ['API with a token of another scheme', get('/api/rooms', [`Authorization: Basic ${token}`]), '401'],
    ['API with rubbish for a token', get('/api/rooms', ['Authorization: Bearer rubbish']), '401'],
    ['API with a token in the URL', get(`/api/rooms?access_token=${token}`), '400'],
    ['API: messages of others', ask('/api/tasks/live/messages'), '403'],
    ['API: messages of nobody', ask('/api/tasks/none/messages'), '403'],
    ['API: events of others', ask('/api/tasks/live/events'), '403'],
    ['API: waiting for events of others', ask('/api/tasks/live/events?wait=5'), '403'],
    ['API: a limit of text', ask('/api/tasks/own/messages?limit=x'), '400'],
    ['API: before a text', ask('/api/tasks/own/messages?before_seq=x'), '400'],
    ['API: after a fraction', ask('/api/tasks/own/events?after_seq=1.5'), '400'],
    ['API: after 2^64', ask('/api/tasks/own/events?after_seq=18446744073709551616'), '400'],
    ['API: waiting for a text', ask('/api/tasks/own/events?wait=x'), '400'],
    ['API: a task of SQL', ask("/api/tasks/own';DROP%20TABLE/messages"), /^40[034]$/],
    ['API: a task with NUL', ask('/api/tasks/own%00/messages'), /^(40[034]|dropped)$/],
    ['API: an unknown route of a task', ask('/api/tasks/own/nothing'), '404'],
    ['API: DELETE', get('/api/tasks/own/messages', [`Authorization: Bearer ${token}`], 'DELETE'), '405'],
    ['API: POST where one can only GET', post('/api/tasks/own/messages', token, '{}'), '405'],
    ['API: GET where one can only POST', ask('/api/tasks/own/send-message'), '405'],
    ['API: send without a length', post('/api/tasks/own/send-message', token, '', []), '411'],
    ['API: send in chunks', post('/api/tasks/own/send-message', token, '0\r\n\r\n', ['Transfer-Encoding: chunked']), /^(400|411)$/],
    ['API: send too much', post('/api/tasks/own/send-message', token, JSON.stringify({ content: 'x'.repeat(70000) })), '413'],
    ['API: announce too much', post('/api/tasks/own/send-message', token, '{', ['Content-Length: 1000000000']), '413'],
    ['API: send no JSON', post('/api/tasks/own/send-message', token, '{content}'), '400'],
    ['API: send an array', post('/api/tasks/own/send-message', token, '[]'), '400'],
    ['API: send nothing', post('/api/tasks/own/send-message', token, '{}'), '400'],
    ['API: send U+0000', post('/api/tasks/own/send-message', token, '{"content":"a\\u0000b"}'), '400'],
    ['API: send long content', post('/api/tasks/own/send-message', token, JSON.stringify({ content: 'x'.repeat(16385) })), '413'],
    ['API: send to others', post('/api/tasks/live/send-message', token, '{"content":"x"}'), '403'],
    ['API: send where one observes', post('/api/tasks/seen/send-message', token, '{"content":"x"}'), '403'],
    ['API: send to a closed room', post('/api/tasks/shut/send-message', token, '{"content":"x"}'), '409'],
    ['API: two applicants', post('/api/tasks/own/send-message?applicant_id=a', token, '{"content":"x","applicant_id":"b"}'), '400'],
    ['API: read a text', post('/api/tasks/own/read', token, '{"seq":"x"}'), '400'],
    ['API: read what is others\'', post('/api/tasks/live/read', token, '{"seq":1}'), '403'],
    ['API: presence of 101', ask(`/api/user/presence?${Array.from({ length: 101 }, (_, i) => `user_id=u${i}`).join('&')}`), /^(400|dropped)$/],
    ['API: presence of a text', post('/api/user/presence', token, '{"is_online":"yes"}'), '400'],
  ];
};

export default (token) => [
  ...api(token),
  ['an unknown route', get('/nothing'), '404'],
  ['an unknown route below /api', get('/api/nothing'), /^40[14]$/],
  ['metrics on the public port', get('/metrics'), '404'],
  ['a path out of the root', get('/../../etc/passwd'), /^40[034]$/],
  ['a path out of the root, escaped', get('/%2e%2e/%2e%2e/etc/passwd'), /^40[0134]$/],
  ['a path out of the root, escaped twice', get('/%252e%252e/etc/passwd'), /^40[0134]$/],
  ['a path with NUL', get('/healthz%00.html'), /^(40[0134]|dropped)$/],
  ['a path with a bad escape', get('/%zz'), /^(40[0134]|dropped)$/],
  ['a path cut within an escape', get('/%4'), /^(40[0134]|dropped)$/],
  ['a path of 5000 bytes', get(`/${'x'.repeat(5000)}`), /^(4\d\d|dropped)$/],
  ['a path of 20000 bytes', get(`/${'x'.repeat(20000)}`), /^(4\d\d|dropped)$/],
  ['a header of 20000 bytes', get('/healthz', [`X-Long: ${'x'.repeat(20000)}`]), /^(200|4\d\d|dropped)$/],
  ['2000 headers', get('/healthz', Array.from({ length: 2000 }, (_, i) => `X-${i}: y`)), /^(200|4\d\d|dropped)$/],
  // Methods that the library does not know it refuses itself, with 403.
  ['an unknown method', get('/healthz', [], 'BREW'), /^(40[035]|501|dropped)$/],
  ['CONNECT', 'CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n', /^(40[045]|dropped)$/],
  ['TRACE', get('/healthz', [], 'TRACE'), /^(40[035]|501|dropped)$/],
  ['DELETE', get('/healthz', [], 'DELETE'), /^(40[045]|dropped)$/],
  ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^(4\d\d|505|dropped)$/],
  ['an upgrade to h2c', get('/healthz', ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']).replace('Connection: close', 'Connection: Upgrade, HTTP2-Settings'), /^(200|4\d\d|dropped)$/],
  ['a negative Content-Length', get('/healthz', ['Content-Length: -1'], 'POST'), /^(4\d\d|dropped)$/],
  ['two Content-Lengths', get('/healthz', ['Content-Length: 0', 'Content-Length: 5'], 'POST'), /^(4\d\d|dropped)$/],
  ['a Content-Length of text', get('/healthz', ['Content-Length: abc'], 'POST'), /^(4\d\d|dropped)$/],
  ['a Content-Length past 2^64', get('/healthz', ['Content-Length: 99999999999999999999999'], 'POST'), /^(4\d\d|dropped)$/],
  ['no request line', '\r\n\r\n\r\n', /^(4\d\d|dropped|silent)$/],
  ['rubbish', '\0\x01\x02\x03rubbish\r\n\r\n', /^(4\d\d|dropped)$/],
  ['a request without a version', 'GET /healthz\r\n\r\n', /^(200|4\d\d|dropped|silent)$/],
  ['a URL with a token', get('/ws?access_token=eyJhbGciOi', ['Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13']).replace('close', 'Upgrade'), '400'],
];
