// The C library's clock and disk as a test wants them: see shim.c.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const source = path.join(path.dirname(new URL(import.meta.url).pathname), 'shim.c');

export class Shim {
  // directory: of the caller, who removes it.
  constructor(directory) {
    this.directory = directory;
    this.library = path.join(directory, 'shim.so');
    execFileSync('cc', ['-shared', '-fPIC', '-O2', '-o', this.library, source, '-ldl']);
  }

  // What a server's environment needs. A sanitizer wants to be loaded first, and is told not to mind.
  env() {
    return { LD_PRELOAD: this.library, TASKCHAT_SHIM: this.directory, ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0` };
  }

  // The wall clock is wrong by so many seconds; 0: it is right.
  clock(seconds) {
    fs.writeFileSync(path.join(this.directory, 'clock'), String(seconds));
  }

  fill() {
    fs.writeFileSync(path.join(this.directory, 'full'), '');
  }

  empty() {
    fs.rmSync(path.join(this.directory, 'full'), { force: true });
  }
}
