import { argv, exitCode } from 'node:process';
import { ConfigFile } from './config-file.js';
import { findKey } from './key-names.js';

// Run as a process of its own: DIRECTORY set|add KEY VALUE.
const [, , directory = '', verb, name = '', value = ''] = argv;
const reference = findKey(name);
if (reference === undefined) throw new Error(`no key ${name}, exit code ${exitCode}`);
const file = new ConfigFile({ directory, env: {}, cwd: '/', lockWaitMs: 60_000 });
await (verb === 'add' ? file.add(reference, value) : file.set(reference, value));
