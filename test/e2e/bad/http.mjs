// HTTP that is not well-formed, not allowed or not meant for the relay: raw
// bytes and the status ("dropped": the connection ends without one).
const get = (path, headers = [], method = 'GET') => [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers, '', ''].join('\r\n');

export default () => [
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
