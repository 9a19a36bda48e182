import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { text } from 'node:stream/consumers';
import { EntranceLevels } from '@sallyport/config';
import { closeTestContext, openTestContext, type TestContext } from '@sallyport/runtime/testing';
import { freePorts, type TemporaryDirectory, TestCa, temporaryDirectory } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Entrances } from './entrances.js';

describe('entrances for the connections to a cloud', () => {
  let directory: TemporaryDirectory;
  let context: TestContext;
  let entrances: Entrances;
  let [port, plantPort]: number[] = [];

  beforeEach(async () => {
    directory = temporaryDirectory();
    [port, plantPort] = await freePorts(2);
    context = await openTestContext(directory.path, 'c8y-proxy');
    entrances = new Entrances(context);
    await entrances.onModuleInit();
  });

  afterEach(async () => {
    await entrances.beforeApplicationShutdown();
    await closeTestContext(context);
    await directory.remove();
  });

  const configure = async (connections: readonly string[], ...lines: string[]) => {
    const own = [`c8y.proxy.bind.port = ${port}`, `c8y.profiles.plant2.proxy.bind.port = ${plantPort}`];
    const toml = [...(lines.length > 0 ? lines : own), ''].join('\n');
    await writeFile(directory.file('tedge.toml'), toml);
    await writeFile(directory.file('sallyport.toml'), `cloud.connections = ${JSON.stringify(connections)}\n`);
    await context.reloadSettings();
  };

  const open = () =>
    entrances.openForConnections('c8y.proxy', (profile = 'no profile') => ({
      handler: { http: (_request, response) => void response.end(`for ${profile}`) },
    }));

  const ask = async (at: number | undefined) => {
    const [response] = await once(httpGet({ port: at, agent: false }), 'response');
    return text(response);
  };

  it('are not open while the site is connected to no cloud, or to another one', async () => {
    await configure(['az', 'factory']);
    await open();

    expect(entrances.describe()).toEqual([]);
    await expect(ask(port)).rejects.toThrow('ECONNREFUSED');
  });

  it('open one for each connection, each with the port and the handler of its profile', async () => {
    await configure(['c8y@plant2', 'c8y']);
    await open();

    expect(entrances.describe()).toMatchObject([
      { name: 'Cumulocity proxy', group: 'c8y.proxy', port, isOpen: true },
      { name: 'Cumulocity proxy, profile plant2', group: 'c8y.proxy', profile: 'plant2', port: plantPort },
    ]);
    expect([await ask(port), await ask(plantPort)]).toEqual(['for no profile', 'for plant2']);
  });

  it('open and close at a reload, as connections come and go', async () => {
    await configure(['c8y']);
    await open();

    await configure(['c8y@plant2']);
    expect(await entrances.reload()).toMatchObject([{ profile: 'plant2', isOpen: true }]);
    await expect(ask(port)).rejects.toThrow('ECONNREFUSED');
    expect(await ask(plantPort)).toBe('for plant2');

    await configure(['c8y']);
    expect((await entrances.reload()).map(({ profile }) => profile)).toEqual([undefined]);
    expect(await ask(port)).toBe('for no profile');
    await expect(ask(plantPort)).rejects.toThrow('ECONNREFUSED');
  });

  it('can take the port of a connection that goes at the same reload', async () => {
    await configure(['c8y']);
    await open();

    await configure(['c8y@plant2'], `c8y.profiles.plant2.proxy.bind.port = ${port}`);
    await entrances.reload();

    expect(await ask(port)).toBe('for plant2');
  });

  it('refuse two connections on one port, and name the settings', async () => {
    await configure(
      ['c8y', 'c8y@plant2'],
      `c8y.proxy.bind.port = ${port}`,
      `c8y.profiles.plant2.proxy.bind.port = ${port}`,
    );

    await expect(open()).rejects.toThrow(
      `c8y.proxy.bind.port and c8y.profiles.plant2.proxy.bind.port are both ${port}, and each connection needs a port of its own.`,
    );
  });

  it('go on with the connections there are when a new one wants a port that is taken', async () => {
    await configure(['c8y']);
    await open();

    await configure(
      ['c8y', 'c8y@plant2'],
      `c8y.proxy.bind.port = ${port}`,
      `c8y.profiles.plant2.proxy.bind.port = ${port}`,
    );

    await expect(entrances.reload()).rejects.toThrow('are both');
    expect(await ask(port)).toBe('for no profile');
  });

  it('have the certificates from outside of profiles where a profile has none', async () => {
    await using ca = await TestCa.create();
    const { certPath, keyPath } = await ca.issue({ commonName: 'proxy', subjectAltNames: ['DNS:localhost'] });
    await configure(
      ['c8y', 'c8y@plant2'],
      `c8y.proxy.bind.port = ${port}`,
      `c8y.profiles.plant2.proxy.bind.port = ${plantPort}`,
      `c8y.proxy.cert_path = "${certPath}"`,
      `c8y.proxy.key_path = "${keyPath}"`,
    );
    await open();

    expect(entrances.describe().map(({ level }) => level)).toEqual(['server', 'server']);
  });

  it('name the settings of the profile whose certificate lacks its key', async () => {
    await configure(
      ['c8y@plant2'],
      'c8y.profiles.plant2.proxy.cert_path = "/x.pem"',
      'c8y.profiles.plant2.proxy.bind.port = 0',
    );

    await expect(open()).rejects.toThrow('c8y.profiles.plant2.proxy.key_path');
  });

  it('remember the level of each connection apart', async () => {
    await using ca = await TestCa.create();
    const { certPath, keyPath } = await ca.issue({ commonName: 'proxy', subjectAltNames: ['DNS:localhost'] });
    await configure(
      ['c8y', 'c8y@plant2'],
      `c8y.proxy.bind.port = ${port}`,
      `c8y.profiles.plant2.proxy.bind.port = ${plantPort}`,
      `c8y.profiles.plant2.proxy.cert_path = "${certPath}"`,
      `c8y.profiles.plant2.proxy.key_path = "${keyPath}"`,
    );
    await open();

    const levels = (name: 'c8y.proxy' | 'c8y.proxy@plant2') => new EntranceLevels(context.settings, name).read();
    expect(await levels('c8y.proxy@plant2')).toMatchObject({ level: 'server' });
    expect(await levels('c8y.proxy')).toBeUndefined();
  });
});
