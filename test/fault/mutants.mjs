// Two relays that break the promise, made from the relay's own source, to
// prove that the checker can fail. An edit that no longer finds its place is an
// error: the mutant would be a healthy relay.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const root = path.join(path.dirname(new URL(import.meta.url).pathname), '../..');

export const mutants = {
  'without catch-up': [
    // It tells the newest of what a room has, and takes that for all.
    ['query_rooms.c', 'query->events->fetch_row(query->arg, &row);',
      'if (i + 1 == PQntuples(result) || sql_cell_integer(result, i + 1, 0) != row.room_id) query->events->fetch_row(query->arg, &row);'],
    ['room.c', 'row->seq == room->last + 1 ? frame_new', '1 ? frame_new'],
  ],
  'drops every 1,000th frame': [
    ['session.c', '\tif (session->closing)\n\t\treturn;\n\tframe_bytes(frame, &len);',
      '\tstatic int sent = 0;\n\n\tif (session->closing || ++sent % 1000 == 0)\n\t\treturn;\n\tframe_bytes(frame, &len);'],
  ],
};

/*
 * Builds a mutant in a directory of its own. Gives the program's path; the
 * caller removes the directory that `directory` names.
 */
export function build(name) {
  const directory = fs.mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), 'mutant-'));
  fs.mkdirSync(path.join(directory, 'extension'));
  fs.copyFileSync(path.join(root, 'extension/taskchat.control'), path.join(directory, 'extension/taskchat.control'));
  // What is compiled already stays: only the edited files are made anew.
  fs.cpSync(path.join(root, 'relay'), path.join(directory, 'relay'), { recursive: true, preserveTimestamps: true, filter: (from) => !from.endsWith('/web') });
  for (const [file, find, replace] of mutants[name]) {
    const source = path.join(directory, 'relay', file);
    const text = fs.readFileSync(source, 'utf8');
    if (text.split(find).length !== 2) throw new Error(`the mutant "${name}" finds no place in ${file}`);
    fs.writeFileSync(source, text.replace(find, () => replace));
  }
  execFileSync('make', ['-C', path.join(directory, 'relay'), 'SANITIZE=1', `PG_CONFIG=${process.env.PG_CONFIG ?? 'pg_config'}`, '-j2', 'build-asan/taskchat-relay'], { stdio: 'pipe' });
  return { directory, program: path.join(directory, 'relay/build-asan/taskchat-relay') };
}
