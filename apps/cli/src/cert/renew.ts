import type { Settings } from '@sallyport/config';
import { writeFileAtomic } from '@sallyport/files';
import {
  pemOf,
  readIdentity,
  renewIdentity,
  replaceCertificate,
  replaceRoots,
  requestRenewal,
  requestRenewalThrough,
} from '@sallyport/identity';
import { blankUnprintable } from '@sallyport/protocol';
import { type Certificate, parseCertificate, selfSignedDeviceCertificate, verifySignedBy } from '@sallyport/x509';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { Failure } from '../failure.js';
import { errorText, statusLine } from '../http/answer.js';
import { sendLocal, textBody } from '../http/local-request.js';
import { cloudProxy } from '../http/local-service.js';
import { absolutePath, globalOptions, openSettings, optionsOf } from '../options.js';
import { Progress, writeNotes } from '../output.js';
import { type CertificateAt, writeCertificateSummary } from './certificate-summary.js';
import { type CloudChoice, chosenCloud, cloudArgument } from './cloud-choice.js';
import { type DeviceFiles, deviceFiles, exists } from './device-files.js';
import { estUrl } from './est-url.js';
import { renewalIssuer } from './renewal-issuer.js';

const options = globalOptions.extend({
  ca: z.enum(['site', 'self-signed', 'c8y']).optional(),
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
    .addOption(
      new Option('--ca <ca>', 'who issues it (default: who issued it)').choices(['site', 'self-signed', 'c8y']),
    )
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

function waitingNotes({ cloud = 'c8y', profile }: CloudChoice): string[] {
  const option = profile === undefined ? '' : ` --profile ${profile}`;
  const next = `    => "tedge reconnect ${cloud}${option}" tries it out and puts it in force`;
  return ['Certificate renewed successfully', next, ''];
}

async function renew(context: CliContext, settings: Settings, given: Options): Promise<CertificateAt> {
  const files = deviceFiles(settings, given);
  const signer = () => adminClientFor('pki-signer', settings, { context, options: given });
  const issuer = await renewalIssuer(given, { settings, files, signer });
  if (issuer === 'self-signed') return waiting(files, [await selfSigned(files, settings, context.now())]);
  if (issuer === 'c8y') return renewByCloud(context, settings, given);
  const url = estUrl(given.url, settings, { cloud: undefined });
  context.log.debug(`renewing ${files.certPath} at ${url}`);
  await requirePair(files);
  await requireRoots(files, url);
  const csr = given.csrPath === undefined ? {} : { csrPath: absolutePath(context, given.csrPath) };
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
  refuseNewKey(given);
  const { chain, roots } = await progress.during('Renewing', () => requestRenewal(request));
  await replaceRoots(files, roots);
  return waiting(files, chain);
}

function refuseNewKey({ newKey }: Options): void {
  if (!newKey) return;
  throw new Failure(
    'A renewal that waits for "tedge connect" keeps its key.',
    'Leave --new-key out, or leave the cloud out to put the new pair in force at once.',
  );
}

/** By the CA of the tenant, through the Cumulocity proxy, which adds the token of this device. */
async function renewByCloud(context: CliContext, settings: Settings, given: Options): Promise<CertificateAt> {
  const files = deviceFiles(settings, given);
  await requirePair(files);
  refuseNewKey(given);
  const csr = given.csrPath === undefined ? {} : { csrPath: absolutePath(context, given.csrPath) };
  const { privateKey, chain } = await new Progress(context.stderr).during('Renewing', () =>
    requestRenewalThrough((body) => postRenewal(context, settings, body), { files, ...csr }),
  );
  if (given.cloud !== undefined) return waiting(files, chain);
  await replaceCertificate(files, privateKey, chain);
  return { path: files.certPath, certificate: chain[0] };
}

async function postRenewal({ signal }: CliContext, settings: Settings, body: string): Promise<Buffer> {
  const service = cloudProxy(settings);
  const headers = { 'content-type': 'application/pkcs10' };
  const request = { service, method: 'POST', target: renewalPath, headers, body: textBody(body) } as const;
  const answer = await sendLocal({ settings, signal }, request);
  const text = await errorText(answer);
  // RFC 7030 §4.2.3: only 200 is success.
  if (answer.statusCode === 200) return Buffer.from(text, 'latin1');
  const remark = blankUnprintable(text.slice(0, longestRemark)).trim();
  throw new Failure(
    `The cloud did not renew the certificate: ${statusLine(answer)}${remark === '' ? '' : ` (${remark})`}.`,
    'Check the connection (tedge connect c8y --test). The tenant needs its own CA for this, and must have issued the certificate.',
  );
}

const renewalPath = '/c8y/.well-known/est/simplereenroll';
const longestRemark = 300;

/** @throws Failure naming the file that is missing; nothing was sent */
async function requirePair({ certPath, keyPath }: DeviceFiles): Promise<void> {
  if (!(await exists(certPath)))
    throw new Failure(`There is no certificate to renew at ${certPath}.`, 'Enrol first: tedge cert download');
  if (!(await exists(keyPath)))
    throw new Failure(
      `The private key of the certificate is missing: there is no file ${keyPath}.`,
      'Put it back, or make a new one and enrol again: tedge cert download',
    );
}

/** @throws Failure naming the file that is missing; nothing was sent */
async function requireRoots({ caPath }: DeviceFiles, url: string): Promise<void> {
  if (await exists(caPath)) return;
  throw new Failure(
    `${caPath} is missing, so ${new URL(url).origin} could not be told from an impostor; nothing was sent.`,
    'Put the CA certificate of that service there; on its machine "sallyport ca export" prints it.',
  );
}

async function waiting(
  { certPath, waitingCertPath }: DeviceFiles,
  chain: readonly [Certificate, ...Certificate[]],
): Promise<CertificateAt> {
  await writeFileAtomic(waitingCertPath, pemOf(chain), { mode: 0o444, model: certPath });
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
