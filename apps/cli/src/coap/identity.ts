import { join } from 'node:path';
import type { Settings } from '@sallyport/config';
import { makeFolder } from '@sallyport/files';
import {
  type CertificateFiles,
  enrolIdentity,
  enrolRequest,
  readIdentity,
  readSigningRequest,
} from '@sallyport/identity';
import { type DeviceId, enrolmentTokenRequest, type OcfUuid, ocfDeviceId, signerRoutes } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';
import type { Command } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { absolutePath, globalOptions, ocfUuidArgument, openSettings, optionsOf } from '../options.js';
import { labelledLines, writeJson, writeLines } from '../output.js';

const options = globalOptions.extend({
  device: z.custom<OcfUuid>(),
  out: z.string().optional(),
  csr: z.string().optional(),
  reinstate: z.boolean().default(false),
});
type Options = z.infer<typeof options>;

/** `coap identity`: the certificate with which an OCF device proves which device it is. */
export function identityCommand(context: CliContext, parent: Command): void {
  parent
    .command('identity')
    .description('issue the identity certificate of an OCF device; other identities of this device are revoked')
    .requiredOption('--device <uuid>', 'UUID of the device', ocfUuidArgument)
    .option('--out <dir>', 'where to write identity.pem, identity.key and ca.pem (default: a folder named as the UUID)')
    .option('--csr <file>', 'signing request of the device, in PEM: its key stays there (default: make a key here)')
    .option('--reinstate', 'bring a revoked device back')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const settings = await openSettings(context, given);
      const directory = absolutePath(context, given.out ?? given.device);
      const files = filesIn(directory);
      const certificate = await issue(context, settings, { given, files, directory });
      const keyPath = given.csr === undefined ? files.keyPath : undefined;
      writeIdentity(context, { ...files, keyPath, certificate, asJson: given.json });
    });
}

function filesIn(directory: string): CertificateFiles {
  const [certPath, keyPath] = [join(directory, 'identity.pem'), join(directory, 'identity.key')];
  return { certPath, keyPath, caPath: join(directory, 'ca.pem') };
}

interface Order {
  readonly given: Options;
  readonly files: CertificateFiles;
  readonly directory: string;
}

async function issue(
  context: CliContext,
  settings: Settings,
  { given, files, directory }: Order,
): Promise<Certificate> {
  const deviceId = ocfDeviceId(given.device);
  const csr = given.csr === undefined ? undefined : await requestAt(absolutePath(context, given.csr));
  await makeFolder(directory, 0o700);
  if (csr === undefined) await requireSameDevice(files, deviceId);
  // Made last: a token replaces the open one of the same device.
  const oneTimePassword = await tokenFor(context, settings, given);
  const enrolment = { deviceId, oneTimePassword, url: settings.require('pki.url'), signal: context.signal };
  return csr === undefined
    ? await enrolIdentity({ ...enrolment, files })
    : await enrolRequest({ ...enrolment, files, csr });
}

async function requestAt(path: string): Promise<Buffer> {
  const csr = await readSigningRequest(path);
  if (csr !== undefined) return csr;
  throw new Failure(`There is no signing request in ${path}.`, 'Check the path given with --csr.');
}

/** The key of another device must not get this name: the signer would refuse it, and could not say where it is. */
async function requireSameDevice(files: CertificateFiles, deviceId: DeviceId): Promise<void> {
  const [name] = (await readIdentity(files))?.certificates[0].subject.commonNames ?? [];
  if (name === undefined || name === deviceId) return;
  throw new Failure(
    `${files.certPath} is the identity of ${name}; nothing was issued.`,
    'Give a folder for each device: --out DIR',
  );
}

async function tokenFor(context: CliContext, settings: Settings, given: Options): Promise<string> {
  const signer = await adminClientFor('pki-signer', settings, { context, options: given });
  const body = enrolmentTokenRequest.parse({ deviceId: ocfDeviceId(given.device), reinstate: given.reinstate });
  const { token } = await signer.call(signerRoutes.createEnrolmentToken, { body });
  return token;
}

interface Issued {
  readonly certificate: Certificate;
  readonly certPath: string;
  readonly keyPath: string | undefined;
  readonly caPath: string;
  readonly asJson: boolean;
}

function writeIdentity(context: CliContext, { certificate, certPath, keyPath, caPath, asJson }: Issued): void {
  const { notAfter, fingerprint, subject } = certificate;
  const [deviceId = ''] = subject.commonNames;
  const validUntil = notAfter.toISOString();
  if (asJson) {
    writeJson(context, { deviceId, certificate: certPath, key: keyPath, ca: caPath, validUntil, fingerprint });
    return;
  }
  writeLines(
    context,
    labelledLines([
      ['Device', deviceId],
      ['Certificate', certPath],
      ...(keyPath === undefined ? [] : [['Private key', keyPath] as const]),
      ['CA', caPath],
      ['Valid until', validUntil],
    ]),
  );
}
