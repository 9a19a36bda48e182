import type { Settings } from '@sallyport/config';
import { writeFileAtomic } from '@sallyport/files';
import { pemOf, readIdentity, renewIdentity, requestRenewal } from '@sallyport/identity';
import { type Certificate, parseCertificate, selfSignedDeviceCertificate, verifySignedBy } from '@sallyport/x509';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { Failure } from '../failure.js';
import { absolutePath, globalOptions, openSettings, optionsOf } from '../options.js';
import { Progress, writeNotes } from '../output.js';
import { type CertificateAt, writeCertificateSummary } from './certificate-summary.js';
import { type CloudChoice, chosenCloud, cloudArgument } from './cloud-choice.js';
import { type DeviceFiles, deviceFiles, exists } from './device-files.js';
import { renewalUrl } from './est-url.js';

const options = globalOptions.extend({
  ca: z.enum(['site', 'self-signed', 'c8y']).default('site'),
  url: z.string().optional(),
  newKey: z.boolean().default(false),
  csrPath: z.string().optional(),
});
type Options = z.infer<typeof options> & CloudChoice;

const day = 86_400_000;

/**
 * `cert renew`: the next certificate from the CA of this site, or a self-signed one. Without a cloud it takes the place
 * of the present one at once; with one it waits beside it as `.new`, because "tedge connect" tries it out first.
 */
export function renewCommand(context: CliContext, parent: Command): void {
  parent
    .command('renew')
    .description('renew the certificate of this device')
    .addOption(new Option('--ca <ca>', 'who issues it').choices(['site', 'self-signed', 'c8y']).default('site'))
    .option('--url <url>', 'certificate service of the site (default: setting pki.url)')
    .option('--new-key', 'make a new private key too')
    .option('--csr-path <file>', 'signing request for the present key to send (default: one made for it)')
    .addArgument(cloudArgument())
    .addOption(profileOption())
    .action(async (_cloud, _options, command: Command) => {
      const given = { ...optionsOf(command, options), ...chosenCloud(context, command) };
      const settings = await openSettings(context, given, given);
      const renewed = await renew(context, settings, given);
      const isWaiting = renewed.path !== deviceFiles(settings, given).certPath;
      writeNotes(context, isWaiting ? waitingNotes(given) : inForceNotes, given.json);
      writeCertificateSummary(context, renewed, { json: given.json, settings });
    });
}

const inForceNotes = [
  'Certificate renewed successfully',
  '    => programs that read it only when they start need a restart',
  '',
];

function waitingNotes({ cloud = 'c8y' }: CloudChoice): string[] {
  const next = `    => "tedge reconnect ${cloud}" of thin-edge.io tries it out and puts it in force`;
  return ['Certificate renewed successfully', next, ''];
}

async function renew(context: CliContext, settings: Settings, given: Options): Promise<CertificateAt> {
  const files = deviceFiles(settings, given);
  if (given.ca === 'self-signed') return waiting(files, [await selfSigned(files, settings, context.now())]);
  const csr = given.csrPath === undefined ? {} : { csrPath: absolutePath(context, given.csrPath) };
  const url = renewalUrl(given.url, settings, given);
  context.log.debug(`renewing ${files.certPath} at ${url}`);
  await requireRenewable(files, url);
  const request = {
    files,
    url,
    newKey: given.newKey,
    signal: context.signal,
    ...csr,
  };
  const progress = new Progress(context.stderr);
  if (given.cloud === undefined) {
    const certificate = await progress.during('Renewing', () => renewIdentity(request));
    return { path: files.certPath, certificate };
  }
  if (given.newKey)
    throw new Failure(
      'A renewal that waits for "tedge connect" keeps its key.',
      'Leave --new-key out, or leave the cloud out to put the new pair in force at once.',
    );
  const { chain } = await progress.during('Renewing', () => requestRenewal(request));
  return waiting(files, chain);
}

/** @throws Failure naming the file that is missing; nothing was sent */
async function requireRenewable({ certPath, keyPath, caPath }: DeviceFiles, url: string): Promise<void> {
  if (!(await exists(certPath)))
    throw new Failure(`There is no certificate to renew at ${certPath}.`, 'Enrol first: tedge cert download');
  if (!(await exists(keyPath)))
    throw new Failure(
      `The private key of the certificate is missing: there is no file ${keyPath}.`,
      'Put it back, or make a new one and enrol again: tedge cert download',
    );
  if (await exists(caPath)) return;
  throw new Failure(
    `${caPath} is missing, so ${new URL(url).origin} could not be told from an impostor; nothing was sent.`,
    'Put the CA certificate of that service there; on its machine "sallyport ca export" prints it.',
  );
}

async function waiting(
  { waitingCertPath }: DeviceFiles,
  chain: readonly [Certificate, ...Certificate[]],
): Promise<CertificateAt> {
  await writeFileAtomic(waitingCertPath, pemOf(chain), 0o444);
  return { path: waitingCertPath, certificate: chain[0] };
}

/** Same key, same subject, a new life. */
async function selfSigned(files: DeviceFiles, settings: Settings, now: Date): Promise<Certificate> {
  const identity = await readIdentity(files);
  const current = identity?.certificates[0];
  if (identity === undefined || current === undefined)
    throw new Failure(
      `There is no certificate to renew at ${files.certPath}, or no private key at ${files.keyPath}.`,
      'Make both (tedge cert create), or enrol (tedge cert download).',
    );
  if (!verifySignedBy(current, current))
    throw new Failure(
      'The certificate of this device is not self-signed.',
      'Leave --ca out to renew it with the CA that issued it.',
    );
  const lifeSeconds = settings.require('certificate.validity.requested_duration');
  return parseCertificate(
    selfSignedDeviceCertificate({
      privateKey: identity.privateKey,
      subject: current.subject,
      notBefore: new Date(now.getTime() - day),
      notAfter: new Date(now.getTime() + lifeSeconds * 1000),
    }),
  );
}
