// Prints a JWT for each user (a comma list), signed with HS256 by the secret in
// a file:
//   node token.mjs SECRET_FILE USER_ID[,USER_ID...] [SECONDS]
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [secretFile, users, seconds = '86400'] = process.argv.slice(2);
const secret = readFileSync(secretFile, 'utf8').trim();
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = Math.floor(Date.now() / 1000);
for (const user of users.split(',')) {
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, iat: now, exp: now + Number(seconds) })}`;
  console.log(`${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`);
}
