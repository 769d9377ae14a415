// Tokens that must not let anybody in. Each is made for a relay whose only key
// is the HS256 secret.
import crypto from 'node:crypto';

const b64 = (value) => Buffer.from(value).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);
const HEADER = { alg: 'HS256', typ: 'JWT' };
const claims = () => ({ sub: 'mal', exp: now() + 3600 });
const text = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

export default function tokens(secret) {
  const sign = (head, body, { key = secret, hash = 'sha256' } = {}) => {
    const signed = `${b64(text(head))}.${b64(text(body))}`;
    return `${signed}.${crypto.createHmac(hash, key).update(signed).digest('base64url')}`;
  };
  const good = sign(HEADER, claims());
  const [head, body, signature] = good.split('.');
  const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const byRsa = (alg, hash = 'sha256') => {
    const signed = `${b64(JSON.stringify({ alg }))}.${b64(JSON.stringify(claims()))}`;
    return `${signed}.${crypto.sign(hash, Buffer.from(signed), rsa.privateKey).toString('base64url')}`;
  };
  const flipped = signature.slice(0, 10) + (signature[10] === 'A' ? 'B' : 'A') + signature.slice(11);
  const other = b64(JSON.stringify({ ...claims(), sub: 'ada' }));
  return [
    ['empty', ''], ['one word', 'x'], ['two dots', '..'], ['one dot', 'a.b'], ['three dots', `${good}.x`], ['five parts', `${good}.x.y`], ['space before', ` ${good}`],
    ['not signed', `${head}.${body}.`], ['without the last dot', `${head}.${body}`], ['no header', `.${body}.${signature}`], ['no claims', `${head}..${signature}`],
    ['alg none', `${b64('{"alg":"none"}')}.${body}.`], ['alg None with a signature', `${b64('{"alg":"None"}')}.${body}.${signature}`], ['alg nOnE', `${b64('{"alg":"nOnE"}')}.${body}.`],
    ['alg empty', sign({ alg: '' }, claims())], ['alg null', sign({ alg: null }, claims())], ['alg a number', sign({ alg: 256 }, claims())], ['alg an array', sign({ alg: ['HS256'] }, claims())],
    ['no alg', sign({ typ: 'JWT' }, claims())], ['alg hs256', sign({ alg: 'hs256' }, claims())],
    ['HS384 by the same key', sign({ alg: 'HS384' }, claims(), { hash: 'sha384' })], ['HS512 by the same key', sign({ alg: 'HS512' }, claims(), { hash: 'sha512' })],
    ['RS256 by a key of its own', byRsa('RS256')], ['HS256 that is signed by RSA', byRsa('HS256')], ['PS256', byRsa('PS256')], ['ES256', byRsa('ES256')],
    ['another key', sign(HEADER, claims(), { key: 'x'.repeat(32) })], ['the empty key', sign(HEADER, claims(), { key: '' })],
    ['a key in the header', sign({ ...HEADER, jwk: { kty: 'oct', k: b64('x'.repeat(32)) } }, claims(), { key: 'x'.repeat(32) })],
    ['one bit of the signature', `${head}.${body}.${flipped}`], ['half the signature', `${head}.${body}.${signature.slice(0, 20)}`], ['more signature', `${head}.${body}.${signature}AAAA`],
    ['the claims of another', `${head}.${other}.${signature}`], ['the header of another', `${b64('{"alg":"HS256"}')}.${body}.${signature}`],
    ['padded base64', `${head}=.${body}.${signature}`], ['base64 of the other alphabet', `${head}.${body}.${signature.slice(0, -2)}+/`], ['not base64', `${head}.{}.${signature}`],
    ['a header that is no JSON', sign('x', claims())], ['a header that is an array', sign('[]', claims())], ['a header that is nested', sign('['.repeat(5000), claims())],
    ['claims that are no JSON', sign(HEADER, 'x')], ['claims that are an array', sign(HEADER, '[]')], ['claims that are a text', sign(HEADER, '"mal"')], ['claims that are nested', sign(HEADER, `{"sub":"mal","exp":${now() + 3600},"x":${'['.repeat(5000)}${']'.repeat(5000)}}`)],
    ['claims in UTF-8 that is none', sign(HEADER, Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1'))],
    ['crit', sign({ ...HEADER, crit: ['exp'] }, claims())], ['crit of an extension', sign({ ...HEADER, crit: ['b64'], b64: false }, claims())], ['crit empty', sign({ ...HEADER, crit: [] }, claims())],
    ['no exp', sign(HEADER, { sub: 'mal' })], ['exp past', sign(HEADER, { ...claims(), exp: now() - 3600 })], ['exp 0', sign(HEADER, { ...claims(), exp: 0 })], ['exp below 0', sign(HEADER, { ...claims(), exp: -1 })],
    ['exp a text', sign(HEADER, { ...claims(), exp: String(now() + 3600) })], ['exp null', sign(HEADER, { ...claims(), exp: null })], ['exp an array', sign(HEADER, { ...claims(), exp: [now() + 3600] })], ['exp true', sign(HEADER, { ...claims(), exp: true })],
    ['nbf to come', sign(HEADER, { ...claims(), nbf: now() + 3600 })], ['nbf a text', sign(HEADER, { ...claims(), nbf: 'now' })],
    ['no sub', sign(HEADER, { exp: now() + 3600 })], ['sub empty', sign(HEADER, { ...claims(), sub: '' })], ['sub a number', sign(HEADER, { ...claims(), sub: 7 })], ['sub null', sign(HEADER, { ...claims(), sub: null })],
    ['sub an array', sign(HEADER, { ...claims(), sub: ['mal'] })], ['sub with U+0000', sign(HEADER, { ...claims(), sub: 'ada\0mal' })], ['sub of 256 bytes', sign(HEADER, { ...claims(), sub: 'x'.repeat(256) })],
    ['20000 bytes', sign(HEADER, { ...claims(), x: 'x'.repeat(15000) })], ['30000 dots', '.'.repeat(30000)],
  ];
}
