// What the documents for authors of clients say of shapes: frames, replies and
// answers of every test are held against them as they come in.
import fs from 'node:fs';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import YAML from 'yaml';

const read = (name) => fs.readFileSync(new URL(`../../relay/${name}`, import.meta.url), 'utf8');
export const asyncapi = read('asyncapi.yaml');
export const openapi = read('openapi.yaml');

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(YAML.parse(asyncapi), 'asyncapi');
ajv.addSchema(YAML.parse(openapi), 'openapi');

// What is wrong with a value, in one line, or null.
export function misfit(schema, value) {
  const validate = ajv.getSchema(schema);
  if (!validate) return `no such schema: ${schema}`;
  return validate(value) ? null : `${JSON.stringify(value).slice(0, 600)} is no ${schema.split('/').at(-1)}: ${ajv.errorsText(validate.errors).slice(0, 600)}`;
}

// A frame of the server; asked: the type of the client's frame, where it is a
// reply to one.
export function frameMisfit(frame, asked) {
  const shape = misfit('asyncapi#/components/schemas/ServerFrame', frame);
  return shape ?? (frame.type === 'reply' && frame.ok && asked ? misfit(`asyncapi#/components/schemas/ReplyData/properties/${asked}`, frame.data) : null);
}

const FRAMES = { messages: 'get_messages', events: 'get_events', 'send-message': 'send_message', read: 'mark_read', rooms: 'get_rooms' };

// An answer of the HTTP API: what it says is what the frame of the same name says.
export function answerMisfit(path, status, data) {
  if (status >= 400) return misfit('openapi#/components/schemas/Error', data);
  const frame = FRAMES[path.split('?')[0].split('/').at(-1)];
  return status <= 201 && frame ? misfit(`asyncapi#/components/schemas/ReplyData/properties/${frame}`, data) : null;
}
