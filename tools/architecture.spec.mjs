// Keeps docs true: the flows and answers of docs/architecture.md, and what is said of contacts at the connector.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './bootstrap.mjs';

const mostFilesOfAFlow = 20;
// A search with more results does not answer a question.
const mostFilesOfASearch = 8;
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const sources = ['libs', 'apps']
  .flatMap((top) => readdirSync(join(root, top)).map((name) => `${top}/${name}/src`))
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap(filesBelow)
  .filter((path) => path.endsWith('.ts') && !/\.(?:spec|fixture)\.ts$/.test(path));

/** The text below a heading, up to the next heading. */
function section(heading) {
  const [, text] = page.split(`\n## ${heading}\n`);
  if (text === undefined) throw new Error(`docs/architecture.md has no section "${heading}".`);
  return text.split('\n## ')[0];
}

/** Each numbered step of a flow: the file it names first, and the names it says are in that file. */
function stepsOf(heading) {
  const [, ...items] = section(heading).split(/^\d+\. /m);
  // The text after an empty line is no part of the last step.
  return items.map((item) => codeSpans(item.split('\n\n')[0])).map(([path, ...names]) => ({ path, names }));
}

/** The cells of the table below a heading, row by row, without its head. */
function tableOf(heading) {
  const [, , ...rows] = section(heading)
    .split('\n')
    .filter((line) => line.startsWith('|'));
  return rows.map((row) => row.split('|').slice(1, -1));
}

/** Each row of the questions: what to search for, and the files that hold the answer with the names in them. */
function questions() {
  return tableOf('Ten questions of a newcomer').map(([question, search, answer]) => {
    return { question: question.trim(), search: codeSpans(search)[0], files: filesOf(codeSpans(answer)) };
  });
}

function filesOf(spans) {
  const files = [];
  for (const span of spans) {
    if (isPath(span)) files.push({ path: span, names: [] });
    else files.at(-1)?.names.push(span);
  }
  return files;
}

function codeSpans(text) {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span);
}

function isPath(span) {
  return /^(?:apps|libs|tools|e2e|bench|deploy|docs)\/[\w@./-]+$/.test(span);
}

/** What an answer says that is not so: a file that is not there, or a name that is not in it. */
function faultsOf({ path, names }) {
  if (!isPath(path) || !existsSync(join(root, path))) return [`${path} does not exist`];
  const text = readFileSync(join(root, path), 'utf8');
  return names.filter((name) => !holds(text, name)).map((name) => `${path} does not contain ${name}`);
}

/** Whole words only, so a name that was made longer counts as renamed. */
function holds(text, name) {
  const escaped = name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return new RegExp(`(?<!\\w)${escaped}(?!\\w)`).test(text);
}

/** The files of the product, without tests, in which a text occurs. */
function filesFoundBy(text) {
  return sources.filter((path) => readFileSync(join(root, path), 'utf8').includes(text));
}

function filesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true }).map((path) => `${folder}/${path}`);
}

describe.each([
  ['The flow of a connection, file by file'],
  ['The flow of a first contact, file by file'],
  ['The flow of a sign-up, file by file'],
  ['The flow of a sign-in, file by file'],
  ['The flow of an MQTT session behind the door, file by file'],
  ['The flow of a CSR, file by file'],
  ['The flow of a bridged message, file by file'],
  ['The flow of a request to the tenant, file by file'],
])('"%s" in docs/architecture.md', (heading) => {
  const steps = stepsOf(heading);

  it('names files that exist, and names that are in them', () => {
    expect(steps.length).toBeGreaterThan(0);
    expect(steps.flatMap(faultsOf)).toEqual([]);
  });

  it('is told in at most 20 files, each of them once', () => {
    expect(steps.length).toBeLessThanOrEqual(mostFilesOfAFlow);
    expect(new Set(steps.map(({ path }) => path)).size).toBe(steps.length);
  });
});

describe('the ten questions of a newcomer in docs/architecture.md', () => {
  const all = questions();

  it('are ten', () => {
    expect(all).toHaveLength(10);
  });

  it.each(all)('$question: the answer is in at most two files, as the page says', ({ files }) => {
    expect([1, 2]).toContain(files.length);
    expect(files.flatMap(faultsOf)).toEqual([]);
  });

  it.each(all)('$question: one search finds the files, and few others', ({ search, files }) => {
    const found = filesFoundBy(search);
    expect(found).toEqual(expect.arrayContaining(files.map(({ path }) => path)));
    expect(found.length).toBeLessThanOrEqual(mostFilesOfASearch);
  });
});

describe('docs/connector-admission.md', () => {
  const folder = join(root, 'apps/device-registry/src/contact');
  const read = (isOfKind) =>
    readdirSync(folder)
      .filter(isOfKind)
      .map((name) => readFileSync(join(folder, name), 'utf8'));
  const isTest = (name) => name.endsWith('.spec.ts');
  const text = readFileSync(join(root, 'docs/connector-admission.md'), 'utf8');
  const refusals = readFileSync(join(root, 'libs/protocol/src/refusals.ts'), 'utf8').match(
    /(?<=^ {2}')[\w-]+(?=': \{)/gm,
  );
  const told = refusals.filter((code) => codeSpans(text).includes(code));

  it.each(told)('has a test for the end of a contact with %s', (code) => {
    expect(read(isTest).some((test) => test.includes(code))).toBe(true);
  });

  it('leaves out no end that the folder has', () => {
    const thrown = read((name) => !isTest(name)).flatMap((source) => [...source.matchAll(/Refusal\('([\w-]+)'\)/g)]);
    expect(thrown.length).toBeGreaterThan(20);
    expect(thrown.map(([, code]) => code).filter((code) => !told.includes(code))).toEqual([]);
  });
});

describe('the attacks on a connector in docs/threat-model.md', () => {
  const [, text] = readFileSync(join(root, 'docs/threat-model.md'), 'utf8').split('\n## Attacks on a connector\n');
  const tests = codeSpans(text).filter((span) => span.endsWith('.spec.ts'));

  it('name tests that exist', () => {
    expect(tests.length).toBeGreaterThan(20);
    const pathOf = (test) => (isPath(test) ? test : `apps/device-registry/src/${test}`);
    expect(tests.map(pathOf).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describe('the tables in docs/architecture.md', () => {
  const scope = '@sallyport/';
  // The page says that everybody may import these.
  const forEverybody = ['concurrency', 'files', 'http'];
  const namesIn = (top) =>
    readdirSync(join(root, top)).filter((name) => existsSync(join(root, top, name, 'package.json')));
  const importsOf = (project) =>
    Object.keys(JSON.parse(readFileSync(join(root, project, 'package.json'), 'utf8')).dependencies ?? {});
  const libraries = tableOf('Libraries').map(([name, , imports]) => ({
    name: codeSpans(name)[0],
    imports: imports.trim() === 'nothing' ? [] : imports.trim().split(', '),
  }));

  it('have a row for each service and each library', () => {
    const services = tableOf('Services').map(([name]) => codeSpans(name)[0]);
    expect(services.toSorted()).toEqual(namesIn('apps').toSorted());
    expect(libraries.map(({ name }) => name).toSorted()).toEqual(namesIn('libs').toSorted());
  });

  it.each(libraries)('say what $name imports', ({ name, imports }) => {
    const used = importsOf(`libs/${name}`)
      .filter((dependency) => dependency.startsWith(scope))
      .map((dependency) => dependency.slice(scope.length))
      .filter((dependency) => !forEverybody.includes(dependency));
    expect(imports.filter((each) => each !== 'zod').toSorted()).toEqual(used.toSorted());
  });

  it('give a reason for each package of the product', () => {
    const reasons = tableOf('Dependencies, and why each is here').flatMap(([names]) => codeSpans(names));
    const projects = ['apps', 'libs'].flatMap((top) => namesIn(top).map((name) => `${top}/${name}`));
    const used = new Set(projects.flatMap(importsOf).filter((dependency) => !dependency.startsWith(scope)));
    expect([...used].filter((name) => !reasons.includes(name) && !reasons.includes(name.split('/').at(-1)))).toEqual(
      [],
    );
  });
});

describe('the paths in our documents', () => {
  const top = readdirSync(root).filter((name) => name.endsWith('.md'));
  const below = filesBelow('docs').filter((path) => path.endsWith('.md') && !path.startsWith('docs/seeds/'));

  it.each([...top, ...below])('exist in %s', (document) => {
    const paths = codeSpans(readFileSync(join(root, document), 'utf8')).filter(isPath);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
