import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { statePlaces } from '@sallyport/protocol';
import { adminIdentityFiles } from '../../admin/admin-clients.js';
import { deviceFiles } from '../../cert/device-files.js';
import { localClient } from '../../secure/local-identity.js';
import { readPemFile } from '../../site/pem-file.js';
import { securedGroups } from '../../site/secured-group.js';
import { type Check, error, type Finding } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

const groupAndOthers = 0o077;
const writableByOthers = 0o022;

/** Only the owner may read keys, passphrases and token secrets, and write to folders with keys. */
export const permissions: Check = {
  id: 'permissions',
  title: 'permissions of keys and secrets',
  run: async (checked) => {
    const secrets = [...new Set(await secretFiles(checked))];
    const folders = [
      ...new Set([
        ...secrets.map((path) => dirname(path)),
        checked.site.settings.directory,
        checked.site.settings.stateDirectory,
      ]),
    ];
    const findings = await Promise.all([
      ...secrets.map((path) => secretFinding(checked, path)),
      ...folders.map((path) => folderFinding(checked, path)),
    ]);
    return findings.flat();
  },
};

async function secretFiles({ site: { settings } }: CheckedSite): Promise<string[]> {
  const configured = securedGroups.flatMap(({ keys }) => settings.get(keys.key) ?? []);
  const clients = [settings.get('http.client.auth.key_file'), settings.get('mqtt.client.auth.key_file')].flatMap(
    (path) => path ?? [],
  );
  return [
    deviceFiles(settings).keyPath,
    localClient(settings).files.keyPath,
    adminIdentityFiles(settings).keyPath,
    ...configured,
    ...clients,
    // Files of the signer: passphrase of the CA keys, secret of the tokens, its own certificate, and the keys.
    ...(await filesIn(statePlaces(settings.stateDirectory).secrets)),
    ...(await filesIn(join(settings.dataDirectory, 'pki', 'keys'))),
  ];
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map(({ name }) => join(folder, name));
}

async function modeOf(path: string): Promise<number | undefined> {
  // A missing file has no permissions. Another check tells whether it should exist.
  return (await stat(path).catch(() => undefined))?.mode;
}

async function secretFinding({ remedies }: CheckedSite, path: string): Promise<Finding[]> {
  const mode = await modeOf(path);
  if (mode === undefined || (mode & groupAndOthers) === 0 || (await isPublic(path))) return [];
  return [
    error(`${path} can be used by other users of this machine (mode ${octal(mode)}).`, remedies.chmod('0600', path)),
  ];
}

/** True for a certificate in the place of a key. Everybody may read it, and another check tells of it. */
async function isPublic(path: string): Promise<boolean> {
  const { certificates, description } = await readPemFile(path);
  return certificates.length > 0 && !description.endsWith('private key');
}

async function folderFinding({ remedies }: CheckedSite, path: string): Promise<Finding[]> {
  const mode = await modeOf(path);
  if (mode === undefined || (mode & writableByOthers) === 0) return [];
  return [
    error(`${path} can be changed by other users of this machine (mode ${octal(mode)}).`, remedies.chmod('go-w', path)),
  ];
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
