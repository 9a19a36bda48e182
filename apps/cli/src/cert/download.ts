import { setTimeout as delay } from 'node:timers/promises';
import { getCACertificates } from 'node:tls';
import { readRoots, rootFiles } from '@sallyport/cloud';
import { ConfigFile, quoted, type Settings } from '@sallyport/config';
import { readTextIfPresent } from '@sallyport/files';
import { type EnrolOptions, type EstTrust, enrolIdentity, trustFromPem } from '@sallyport/identity';
import { type DeviceId, hostName, Problem } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { describeFault, Failure } from '../failure.js';
import {
  absolutePath,
  deviceIdArgument,
  durationArgument,
  globalOptions,
  hostArgument,
  openSettings,
  optionsOf,
} from '../options.js';
import { Progress, writeNotes, writeWarnings } from '../output.js';
import { writeCertificateSummary } from './certificate-summary.js';
import { type CloudChoice, chosenCloud, cloudArgument } from './cloud-choice.js';
import { deviceFiles, prepareFolders, requireDeviceId } from './device-files.js';
import { estUrl } from './est-url.js';
import { givenPassword, newPassword, passwordInEnvironment } from './one-time-password.js';

const options = globalOptions.extend({
  deviceId: z.custom<DeviceId>().optional(),
  oneTimePassword: z.string().optional(),
  oneTimePasswordFile: z.string().optional(),
  prompt: z.boolean().default(false),
  url: z.string().optional(),
  ca: z.string().optional(),
  host: z.array(hostName).default([]),
  registrationUrl: z.boolean().optional(),
  csrPath: z.string().optional(),
  retryEvery: z.number(),
  maxTimeout: z.number(),
});
type Options = z.infer<typeof options> & CloudChoice;

/** `cert download`: enrolment by EST with a one-time password; asks again until the registration is done. */
export function downloadCommand(context: CliContext, parent: Command): void {
  const command = parent
    .command('download')
    .description('enrol this device: make its key, and get its certificate with a one-time token')
    .addArgument(cloudArgument(['c8y']));
  for (const add of [passwordOptions, serverOptions, requestOptions]) add(command);
  command.action(async () => {
    const given = { ...optionsOf(command, options), ...chosenCloud(context, command) };
    // Commander sets the opposite when a "--no-" option is left out. Here, the environment decides then.
    if (command.getOptionValueSource('registrationUrl') !== 'cli') given.registrationUrl = undefined;
    if (given.prompt && passwordInEnvironment(context) !== undefined) command.error(promptConflict);
    const settings = await openSettings(context, given, given);
    const certificate = await download(context, settings, given);
    const path = deviceFiles(settings, given).certPath;
    writeNotes(context, downloadedNotes, given.json);
    writeCertificateSummary(context, { path, certificate }, { json: given.json, settings });
  });
}

const downloadedNotes = ['Certificate downloaded successfully', '    => the device can now be connected', ''];

const promptConflict = 'option --prompt cannot be used with environment variable DEVICE_ONE_TIME_PASSWORD';

function passwordOptions(command: Command): void {
  const prompt = new Option('--prompt', 'ask for the token on the terminal, without showing it');
  command
    .option('-p, --one-time-password <token>', 'token of "device enroll-token" (env: DEVICE_ONE_TIME_PASSWORD)')
    .option('--one-time-password-file <file>', 'read the token from the first line of a file, or of stdin with "-"')
    .addOption(prompt.conflicts(['oneTimePassword', 'oneTimePasswordFile']));
}

function serverOptions(command: Command): void {
  command
    .addOption(profileOption())
    .option('--url <url>', 'certificate service: https://HOST:PORT or HOST[:PORT] (default: setting pki.url)')
    .option('--ca <file>', 'CA certificates to trust, for a password that holds no CA fingerprint')
    .option('--no-registration-url', 'do not print where to register the device (env: DEVICE_NO_REGISTRATION_URL)')
    .option('--retry-every <duration>', 'pause between tries', durationArgument, 30)
    .option('--max-timeout <duration>', 'give up after', durationArgument, 600);
}

function requestOptions(command: Command): void {
  const csrPath = 'signing request to send, made there when there is none (default: one made and removed)';
  command
    .option('--device-id <id>', 'name of the device (default: env DEVICE_ID, else setting device.id)', deviceIdArgument)
    .option('--host <name>', 'name or address to ask for in the certificate; can be repeated', hostArgument)
    .option('--csr-path <file>', csrPath);
}

async function download(context: CliContext, settings: Settings, given: Options): Promise<Certificate> {
  const files = deviceFiles(settings, given);
  const deviceId = requireDeviceId(context, settings, given);
  const url = estUrl(given.url, settings, given);
  const oneTimePassword = await requirePassword(context, given, { url, deviceId });
  await prepareFolders(settings, [files.certPath, files.keyPath]);
  const trust = await trustFor(context, settings, { ...given, oneTimePassword });
  const csr = given.csrPath === undefined ? {} : { csrPath: absolutePath(context, given.csrPath) };
  const subjectAltNames = given.host;
  const enrolment = {
    files,
    deviceId,
    oneTimePassword,
    url,
    subjectAltNames,
    signal: context.signal,
    ...csr,
    ...trust,
  };
  const certificate = await new Progress(context.stderr).during(`Enrolling ${deviceId} at ${url}`, () =>
    enrolPersistently(context, enrolment, given),
  );
  if (given.cloud === undefined) await rememberService(context, settings, url);
  return certificate;
}

/** Renewals go where the first certificate came from, unless the settings say otherwise. */
async function rememberService({ cwd, log }: CliContext, settings: Settings, url: string): Promise<void> {
  const { origin } = new URL(url);
  if (settings.source('pki.url') !== 'default' || settings.get('pki.url') === origin) return;
  try {
    await new ConfigFile({ directory: settings.directory, env: {}, cwd }).set({ key: 'pki.url' }, origin);
  } catch (fault) {
    if (!(fault instanceof Problem)) throw fault;
    // Only a warning: the certificate is there.
    writeWarnings({ log }, [`pki.url was not set, so "cert renew" needs --url ${origin}: ${fault.message}`]);
  }
}

async function requirePassword(context: CliContext, given: Options, { url, deviceId }: Registration): Promise<string> {
  const chosen = await givenPassword(context, given);
  if (chosen === undefined && given.cloud === undefined)
    throw new Failure(
      'No one-time token is given.',
      `Make one on the gateway (sallyport device enroll-token ${quoted(deviceId)}) and pass it: --one-time-password TOKEN`,
    );
  const password = chosen ?? newPassword();
  if (chosen === undefined) context.log.note(`One-time password: ${password}`);
  if (given.cloud !== undefined && isUrlWanted(context, given))
    writeRegistrationUrl(context, { url, deviceId }, chosen === undefined ? password : '');
  return password;
}

// The option parser of thin-edge.io (clap) takes any other text as yes.
const noes = ['', 'n', 'no', 'f', 'false', 'off', '0'];

function isUrlWanted({ env }: CliContext, { registrationUrl }: Options): boolean {
  if (registrationUrl !== undefined) return registrationUrl;
  const { DEVICE_NO_REGISTRATION_URL: suppressed = '' } = env;
  return noes.includes(suppressed.toLowerCase());
}

interface Registration {
  readonly url: string;
  readonly deviceId: DeviceId;
}

/** Where somebody registers the device at its cloud. A password the user chose is left for the user to fill in. */
function writeRegistrationUrl({ log }: CliContext, { url, deviceId }: Registration, password: string): void {
  const query = new URLSearchParams({ externalId: deviceId, 'one-time-password': password });
  const page = `${new URL(url).origin}/apps/devicemanagement/index.html#/deviceregistration?${query}`;
  log.note(`Register the device here: ${page}`);
}

/** A token of a site contains the CA to trust. For a cloud it is set; without any, it is a CA of this system. */
async function trustFor(
  context: CliContext,
  settings: Settings,
  { ca, cloud, profile, oneTimePassword }: Options & { readonly oneTimePassword: string },
): Promise<{ trust?: EstTrust }> {
  if (ca !== undefined) {
    const path = absolutePath(context, ca);
    const pem = await readTextIfPresent(path);
    if (pem === undefined) throw new Failure(`There is no CA file ${path}.`, 'Check the path given with --ca.');
    return { trust: trustFromPem(pem) };
  }
  if (oneTimePassword.includes('.') && cloud === undefined) return {};
  const isSet = cloud !== undefined && settings.source('c8y.root_cert_path') !== 'default';
  return { trust: { rootsPem: isSet ? await cloudRoots(settings, profile) : getCACertificates('system') } };
}

async function cloudRoots(settings: Settings, profile: string | undefined): Promise<readonly string[]> {
  const option = profile === undefined ? '' : ` --profile ${profile}`;
  const place = {
    rootCertPath: settings.require('c8y.root_cert_path'),
    settingNames: { rootCertPath: 'c8y.root_cert_path' },
    commandToSet: (_: 'rootCertPath', value: string) => `tedge config set c8y.root_cert_path ${value}${option}`,
  };
  return (await readRoots(place, await rootFiles(place))).pems;
}

/** Tries until it works, the server's answer is final, or the time is up. */
async function enrolPersistently(context: CliContext, enrolment: EnrolOptions, given: Options): Promise<Certificate> {
  const giveUpAt = context.now().getTime() + given.maxTimeout * 1000;
  for (;;) {
    try {
      return await enrolIdentity(enrolment);
    } catch (fault) {
      if (!isWorthRepeating(fault, given) || context.now().getTime() >= giveUpAt)
        throw inWordsOf(fault, enrolment, given);
      const pauseSeconds = pauseAfter(fault, given.retryEvery, (giveUpAt - context.now().getTime()) / 1000);
      context.log.note(`${describeFault(fault)?.what ?? ''} Trying again in ${pauseSeconds} s.`);
      await delay(pauseSeconds * 1000, undefined, { signal: context.signal });
    }
  }
}

/** A refusal as the person sees it who typed the token. */
function inWordsOf(fault: unknown, enrolment: EnrolOptions, given: Options): unknown {
  if (isRefusalOfTenant(fault, given)) return unregistered(enrolment, fault);
  const isOfSite = given.cloud === undefined && given.ca === undefined;
  const isUnknownServer = fault instanceof Problem && fault.type === 'certificate-rejected';
  return isOfSite && isUnknownServer && !enrolment.oneTimePassword.includes('.') ? incomplete(enrolment, fault) : fault;
}

/** Without a CA in the token, the server is one that this system trusts, or nobody. */
function incomplete({ url, deviceId }: EnrolOptions, cause: Problem): Failure {
  return new Failure(
    `The one-time token is wrong or not complete: it names no CA, and this system does not trust ${new URL(url).origin}. Nothing was sent.`,
    `Copy the whole token, or name the CA to trust (--ca FILE). For a new token, on the gateway: sallyport device enroll-token ${quoted(deviceId)}`,
    { cause },
  );
}

function isRefusalOfTenant(fault: unknown, { cloud }: CloudChoice): boolean {
  return cloud !== undefined && fault instanceof Problem && fault.type === 'credentials-invalid';
}

/** A tenant knows nothing of the tokens of a site. */
function unregistered({ deviceId, url }: Pick<EnrolOptions, 'deviceId' | 'url'>, cause: unknown): Failure {
  return new Failure(
    `${new URL(url).origin} refused the one-time password of ${deviceId}.`,
    'Register the device in the tenant with this password. One that has been used or has expired needs a new registration.',
    { cause },
  );
}

/** Seconds to wait: as long as the server asks for, but no longer than the user allows in total. */
function pauseAfter(fault: unknown, retryEvery: number, remainingSeconds: number): number {
  const asked = fault instanceof Problem ? (fault.retryAfterSeconds ?? 0) : 0;
  return Math.min(Math.max(retryEvery, Math.min(asked, Math.ceil(remainingSeconds))), longestPauseSeconds);
}

// A timer of Node.js for longer than 2^31 - 1 milliseconds fires at once.
const longestPauseSeconds = 2_147_483;

/** A cloud refuses a device until it is registered. A refusal by a site is final, and uses up a try of the token. */
function isWorthRepeating(fault: unknown, { cloud }: CloudChoice): boolean {
  if (!(fault instanceof Problem)) return false;
  if (fault.type === 'unavailable' || fault.type === 'rate-limited') return true;
  return cloud !== undefined && 'serverStatus' in fault.extensions;
}
