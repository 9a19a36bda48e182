import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories, settingsLoader } from './config-directory.fixture.js';
import { loadSettings } from './load-settings.js';

const directoryWith = configDirectories(onTestFinished);
const load = settingsLoader(directoryWith);

describe('defaults that follow from other settings', () => {
  it.each([
    ['', '127.0.0.1'],
    ['mqtt.bind.address = "127.0.0.2"', '127.0.0.2'],
    ['mqtt.bind.address = "127.0.0.2"\nmqtt.external.bind.address = "192.168.1.6"', '192.168.1.6'],
    ['http.bind.address = "10.0.0.1"\nmqtt.external.bind.address = "192.168.1.6"', '10.0.0.1'],
  ])('%j binds the file transfer service to %s', async (toml, address) => {
    const { settings } = await load(toml);
    expect(settings.get('http.bind.address')).toBe(address);
  });

  const mutual = 'mqtt.bind.cert_file = "/c"\nmqtt.bind.key_file = "/k"\nmqtt.bind.ca_path = "/a"\n';

  it.each([
    ['no second listener', mutual, 0],
    ['a second listener without CA beside one that is mutual', `${mutual}mqtt.external.bind.port = 8883`, 1],
    ['the same with a CA', `${mutual}mqtt.external.bind.port = 8883\nmqtt.external.ca_path = "/a"`, 0],
    ['a second listener beside one that is plain', 'mqtt.external.bind.port = 8883', 0],
    ['the second listener alone', `${mutual}mqtt.bind.enabled = false\nmqtt.external.bind.port = 8883`, 0],
  ])('with %s, warns of topics that are open to everybody, or not', async (_which, toml, count) => {
    const { warnings } = await load(toml);
    expect(warnings.filter((warning) => warning.includes('may use all topics of all devices'))).toHaveLength(count);
  });

  it('warns when opening the broker opens the file transfer service too', async () => {
    const { warnings } = await load('mqtt.external.bind.address = "0.0.0.0"');
    expect(warnings).toEqual([
      'mqtt.external.bind.address opens the file transfer service on 0.0.0.0 too. ' +
        'Set http.bind.address to choose where it listens: tedge config set http.bind.address ADDRESS',
    ]);
  });

  it('keeps http.client.port at 8000 when http.bind.port changes, and warns', async () => {
    const { settings, warnings } = await load('http.bind.port = 8100');
    expect(settings.get('http.client.port')).toBe(8000);
    expect(warnings).toEqual([
      'The file transfer service listens on port 8100, but http.client.port is 8000, so clients here miss it. ' +
        'Run: tedge config set http.client.port 8100',
    ]);
  });

  it('lets mqtt.client.port follow mqtt.bind.port, and c8y.proxy.client.port c8y.proxy.bind.port', async () => {
    const { settings } = await load('mqtt.bind.port = 1884\nc8y.proxy.bind.port = 8101');
    expect(settings.get('mqtt.client.port')).toBe(1884);
    expect(settings.get('c8y.proxy.client.port')).toBe(8101);
  });

  it('lets the addresses of the certificate authority follow its ports', async () => {
    const { settings } = await load('pki.bind.port = 9443\npki.public.bind.port = 9442');
    expect(settings.get('pki.url')).toBe('https://localhost:9443');
    expect(settings.get('pki.public.url')).toBe('http://localhost:9442');
  });

  it('keeps certificates, data and sockets beside the configuration', async () => {
    const configDir = await directoryWith();
    const { settings } = await loadSettings({ configDir, env: {}, cwd: '/' });
    expect(settings.get('device.key_path')).toBe(`${configDir}/device-certs/tedge-private-key.pem`);
    expect(settings.get('device.cert_path')).toBe(`${configDir}/device-certs/tedge-certificate.pem`);
    expect(settings.get('device.csr_path')).toBe(`${configDir}/device-certs/tedge.csr`);
    expect(settings.dataDirectory).toBe(`${configDir}/data`);
    expect(settings.get('run.path')).toBe(`${configDir}/run`);
  });

  it('keeps data in /var/tedge for the configuration in /etc/tedge', async () => {
    const { settings } = await loadSettings({ configDir: '/etc/tedge', env: { TEDGE_DATA_PATH: '' }, cwd: '/' });
    expect(settings.dataDirectory).toBe('/var/tedge');
  });

  it('keeps data where data.path says', async () => {
    const { settings } = await load('data.path = "/srv/data"');
    expect(settings.dataDirectory).toBe('/srv/data');
  });
});

describe('state.path', () => {
  it('is the configuration directory unless somebody sets it', async () => {
    const { settings } = await load('');
    expect(settings.stateDirectory).toBe(settings.directory);
  });

  it('names the directory of what Sallyport writes for itself', async () => {
    expect((await load('state.path = "/var/lib/sallyport"')).settings.stateDirectory).toBe('/var/lib/sallyport');
  });

  it.each(['doors', 'site', 'pki', 'service-certs', 'client-certs', 'admin-certs'])(
    'refuses another directory while the folder %s is still in the configuration directory, and says how to move it',
    async (folder) => {
      const directory = await directoryWith('state.path = "/var/lib/sally port"');
      await mkdir(join(directory, folder));
      const loading = loadSettings({ configDir: directory, env: {}, cwd: directory });
      const move = `mkdir -p '/var/lib/sally port' && mv -nv ${directory}/${folder} '/var/lib/sally port'/`;
      await expect(loading).rejects.toMatchObject({
        type: 'config-invalid',
        message: expect.stringContaining(`Or stop the services and move them: ${move}`),
      });
    },
  );

  it('refuses another directory while settings name files where they were, and says how to change them', async () => {
    const directory = await directoryWith('');
    const certPath = join(directory, 'service-certs/agent/certificate.pem');
    const lines = ['state.path = "/s"', `http.cert_path = "${certPath}"`, 'http.key_path = "/own/key.pem"'];
    await writeFile(join(directory, 'tedge.toml'), lines.join('\n'));
    const changes = 'sallyport config set http.cert_path /s/service-certs/agent/certificate.pem';
    const loading = () => loadSettings({ configDir: directory, env: {}, cwd: directory });
    await expect(loading()).rejects.toMatchObject({
      type: 'config-invalid',
      message: `state.path is /s, but settings name files in ${directory} that have moved there. Change the settings: ${changes}`,
    });
    await mkdir(join(directory, 'service-certs'));
    await expect(loading()).rejects.toThrow(new RegExp(`mv -nv ${directory}/service-certs /s/ && ${changes}$`));
  });

  it('refuses another directory while a folder is in both, since nobody knows which is right', async () => {
    const other = await directoryWith('');
    const directory = await directoryWith(`state.path = "${other}"`);
    await Promise.all([directory, other].map((place) => mkdir(join(place, 'site'))));
    await expect(loadSettings({ configDir: directory, env: {}, cwd: directory })).rejects.toThrow(
      `files of this site are at two places: ${directory}/site and ${other}/site. Stop the services, find out`,
    );
  });

  it('takes another directory once nothing is left in the configuration directory but settings', async () => {
    const directory = await directoryWith('state.path = "/s"');
    for (const folder of ['data', 'device-certs', 'run']) await mkdir(join(directory, folder));
    const { settings } = await loadSettings({ configDir: directory, env: {}, cwd: directory });
    expect(settings.stateDirectory).toBe('/s');
  });
});
