// Every setting is read by something, or declared as one that nothing reads. A setting nobody reads looks as if it worked.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from './bootstrap.mjs';

/** Where settings are declared, checked or only named: to be there is not to be read. */
const declarations =
  /^libs\/config\/src\/(?!load-settings|risks|mqtt-access-source)|^libs\/(?:protocol|testkit)\/|\.(?:spec|fixture)\.ts$/;

describe('the settings', () => {
  let folder;
  let config;
  let entrances;
  let sources;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-settings-'));
    config = await imported('config');
    ({ entrances } = await imported('protocol'));
    const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', 'apps/*.ts', 'libs/*.ts'], {
      cwd: root,
    });
    const files = String(listed)
      .split('\n')
      .filter((file) => file !== '' && !declarations.test(file));
    sources = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  async function imported(library) {
    const resolve = { conditionNames: ['@sallyport/source', 'node', 'import', 'default'] };
    const bundle = await rolldown({ input: join(root, `libs/${library}/src/index.ts`), platform: 'node', resolve });
    const file = join(folder, `${library}.mjs`);
    await bundle.write({ file, format: 'esm', codeSplitting: false });
    await bundle.close();
    return import(pathToFileURL(file).href);
  }

  /** Keys that are put together, by the code that reads them. */
  function composedKeys() {
    const ofEntrances = Object.entries(entrances).flatMap(
      ([group, { keys = {}, enabledKey, interfaceKey, ...client }]) => [
        `${group}.bind.address`,
        `${group}.bind.port`,
        ...Object.values(keys),
        enabledKey,
        interfaceKey,
        client.clientHostKey,
        client.clientPortKey,
      ],
    );
    // apps/cli/src/cert/device-files.ts reads them for the device and for each cloud.
    const ofDevices = ['device', 'c8y.device'].flatMap((table) =>
      ['id', 'cert_path', 'key_path', 'csr_path'].map((name) => `${table}.${name}`),
    );
    // apps/cli/src/http/local-service.ts reads them for each HTTP service of the gateway.
    const ofClients = ['http', 'c8y.proxy'].flatMap((group) => [`${group}.client.host`, `${group}.client.port`]);
    return new Set([...ofEntrances, ...ofDevices, ...ofClients]);
  }

  const isQuoted = (key) => [`'${key}'`, `\`${key}\``].some((text) => sources.includes(text));

  /** The built-in rules of the bridge (libs/bridge-rules/src/built-in) name settings of their cloud as variables. */
  function isReadByRules(key) {
    const [, cloud, rest] = /^(c8y|az|aws)\.(.*)$/.exec(key) ?? [];
    if (cloud === undefined) return false;
    return readFileSync(join(root, `libs/bridge-rules/src/built-in/${cloud}.ts`), 'utf8').includes(`{mapper.${rest}}`);
  }

  /** A setting is also read through the default of another one. */
  function isReadByDefaultOf(key) {
    return config.configKeys.some((other) => {
      const { isRead, default: standard } = config.describeKey(other);
      return isRead && typeof standard === 'object' && String(standard.text).includes(`\`${key}\``);
    });
  }

  it('are each read by a service or by the CLI, or declared as not read', () => {
    const composed = composedKeys();
    const isUsed = (key) => composed.has(key) || isQuoted(key) || isReadByDefaultOf(key) || isReadByRules(key);
    const unused = config.configKeys.filter((key) => config.describeKey(key).isRead && !isUsed(key));
    expect(unused).toEqual([]);
  });

  it('are not declared as not read while something reads them', () => {
    const composed = composedKeys();
    const used = config.configKeys.filter(
      (key) => !config.describeKey(key).isRead && (composed.has(key) || isQuoted(key)),
    );
    expect(used).toEqual([]);
  });

  it('that are not read are those of thin-edge.io, which keeps and reads them', () => {
    const own = config.configKeys.filter((key) => config.describeKey(key).isOwn && !config.describeKey(key).isRead);
    expect(own).toEqual([]);
  });
});
