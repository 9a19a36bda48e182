// Which test files need which of the real programs, read from their source. Uses Node built-ins only.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { root as checkout } from './bootstrap.mjs';

/** Programs and words of a package, beside the proof of it. */
const sandbox = /\bSandbox\.open\b|\bMachine\.boot\b/;
// Words that mean other things too.
const started = (name) => new RegExp(`\\b(?:mustRun|runProgram|spawn)\\(\\s*['"\`]${name}['"\` ]`);
const marksOf = {
  'ca-certificates': [sandbox],
  'gnutls-bin': ['gnutls-cli', 'certtool'],
  iproute2: [started('ip'), sandbox],
  'libcoap3-bin': ['coap-client-openssl', 'coap-server-openssl', 'coap-client-gnutls', 'coap-client'],
  'libcoap3-dev': ['gcc'],
  'libstrongswan-extra-plugins': [started('pki')],
  'libstrongswan-standard-plugins': [started('pki')],
  mosquitto: [started('mosquitto'), /program: 'mosquitto'/, 'mosquitto_passwd', /\bspawnMosquitto\b/],
  'mosquitto-clients': ['mosquitto_pub', 'mosquitto_sub', /`mosquitto_\$/],
  mount: ['mount', 'umount', sandbox],
  nginx: ['nginx', /\bspawnNginx\b/],
  'python3-cryptography-vectors': [/cryptography_vectors/],
  'redis-server': ['redis-server', 'redis-cli', /\bspawnRedis\b/],
  'strongswan-pki': [started('pki'), /`pki --/],
  'util-linux': ['unshare', 'nsenter', '/usr/bin/script', sandbox],
};

/**
 * The test files that cannot run without these packages. A file is left out as a whole, so a test in it that needs none
 * of them is left out too.
 *
 * @param missing packages of `peers.mjs`
 * @returns paths relative to the folder, in order
 */
export function filesThatNeed(missing, folder = checkout) {
  if (missing.length === 0) return [];
  const marks = missing.flatMap(({ name, proof }) => (marksOf[name] ?? [proof]).map(patternOf));
  const testkit = new Testkit(folder);
  const needs = (spec) => [...sourcesOf(spec, testkit)].some((file) => marks.some((mark) => mark.test(textOf(file))));
  return specsIn(folder)
    .filter(needs)
    .map((spec) => relative(folder, spec))
    .toSorted();
}

/** A program at the beginning of a string, or of a line of a script. */
function patternOf(mark) {
  return mark instanceof RegExp ? mark : new RegExp(`['"\`]${mark}['"\` ]|^\\s*(?:\\$ |sudo )?${mark} `, 'm');
}

function specsIn(folder) {
  const folders = ['apps', 'libs'].flatMap((top) =>
    readdirSync(join(folder, top)).map((name) => join(top, name, 'src')),
  );
  return [...folders, 'e2e/src']
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path))
    .flatMap((path) => readdirSync(path, { recursive: true }).map((name) => join(path, name)))
    .filter((path) => path.endsWith('.spec.ts'));
}

/** The file, and what it imports that exists for tests only. What we ship starts none of these programs in a test. */
function sourcesOf(spec, testkit) {
  const found = new Set();
  const waiting = [spec];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    waiting.push(...importsOf(file, testkit));
  }
  return found;
}

function importsOf(file, testkit) {
  const text = textOf(file);
  const documents = [...text.matchAll(/\bdocs\/[\w-]+\.md\b/g)].map(([name]) => join(testkit.folder, name));
  const modules = [...text.matchAll(/(?:import|export)\s+(?:type\s+)?([^;'"]*?)\s*from '([^']+)'/g)].flatMap(
    ([, names, from]) => testkit.filesOf(names, from) ?? [resolve(dirname(file), from.replace(/\.js$/, '.ts'))],
  );
  return [...documents.filter((path) => existsSync(path)), ...modules.filter((path) => isForTests(path))];
}

// The file with the three servers is known by their names, and the other one lists all programs.
const isForTests = (path) =>
  /\.fixture\.ts$|\/testing\.ts$|\/e2e\/src\/|\/testkit\/src\/|\/fixtures\//.test(path) &&
  !/\/testkit\/src\/(?:servers|debian)\.ts$/.test(path) &&
  existsSync(path) &&
  statSync(path).isFile();

/** Our library for tests: each name that it exports, and the file it comes from. */
class Testkit {
  #fileOf = new Map();

  constructor(folder) {
    this.folder = folder;
    const source = join(folder, 'libs/testkit/src');
    const exported = textOf(join(source, 'index.ts')).matchAll(/export \{([^}]*)\} from '\.\/([^']+)\.js'/g);
    for (const [, names, file] of exported)
      for (const name of namesIn(names)) this.#fileOf.set(name, join(source, `${file}.ts`));
  }

  /** The files behind an import from one of our packages; undefined for a relative import. */
  filesOf(names, from) {
    if (from.startsWith('.')) return undefined;
    if (from === '@sallyport/testkit') return namesIn(names).flatMap((name) => this.#fileOf.get(name) ?? []);
    const [, project, part] = /^@sallyport\/([^/]+)\/(.+)$/.exec(from) ?? [];
    if (project === undefined) return [];
    return [`${part}.ts`, `${part}/index.ts`].map((name) => join(this.folder, 'libs', project, 'src', name));
  }
}

const namesIn = (list) =>
  list
    .replace(/[{}]/g, '')
    .split(',')
    .map((name) => name.trim().replace(/^type /, ''));

const texts = new Map();

function textOf(path) {
  const known = texts.get(path);
  if (known !== undefined) return known;
  const text = readFileSync(path, 'utf8');
  texts.set(path, text);
  return text;
}
