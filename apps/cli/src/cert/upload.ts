import { cloudConnection } from '@sallyport/cloud';
import type { Settings } from '@sallyport/config';
import type { Certificate } from '@sallyport/x509';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { Failure } from '../failure.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';
import { Progress, writeJson, writeLines } from '../output.js';
import { type CloudChoice, chosenCloud, cloudArgument } from './cloud-choice.js';
import { deviceFiles, exists, readLeaf, requireDeviceId } from './device-files.js';
import { TenantApi } from './tenant-api.js';
import { tenantUser } from './tenant-user.js';
import { type TrustedCa, trustedCa } from './trusted-ca.js';

const options = globalOptions.extend({
  user: z.string().min(1).optional(),
  password: z.string().min(1).optional(),
  passwordFile: z.string().optional(),
  ca: z.string().optional(),
  caKey: z.string().optional(),
});
type Options = z.infer<typeof options> & CloudChoice;

/** `cert upload c8y`: lets a tenant trust the self-signed certificate of this device, or with `--ca` the CA behind it. */
export function uploadCommand(context: CliContext, parent: Command): void {
  parent
    .command('upload')
    .description('let a Cumulocity tenant trust the certificate of this device, or the CA that issued it')
    .addArgument(cloudArgument(['c8y']).argRequired())
    .addOption(profileOption())
    .option('--user <name>', 'user of the tenant who may manage trusted certificates (env: C8Y_USER)')
    .option('--password <password>', 'password of that user (env: C8Y_PASSWORD; asked for when left out)')
    .option('--password-file <file>', 'read the password from the first line of a file, or of stdin with "-"')
    .option('--ca <file>', 'upload a CA instead: its file (PEM), or "site" for the CA of this site')
    .addOption(new Option('--ca-key <file>', 'private key of --ca, to prove to the tenant that you hold it'))
    .action(async (_cloud: string, _options: unknown, command: Command) => {
      const given = { ...optionsOf(command, options), ...chosenCloud(context, command) };
      if (given.caKey !== undefined && (given.ca === undefined || given.ca === 'site'))
        command.error('option --ca-key needs option --ca <file>');
      await upload(context, given);
    });
}

async function upload(context: CliContext, given: Options): Promise<void> {
  const settings = await openSettings(context, given, given);
  const connection = await cloudConnection(settings, given.profile === undefined ? 'c8y' : `c8y@${given.profile}`);
  const { name, ca } = await uploadable(context, settings, given);
  const api = new TenantApi(context, connection, await tenantUser(context, given));
  const outcome = await new Progress(context.stderr).during('Uploading', async () => {
    const tenant = await api.tenantName();
    const isNew = await api.trust(tenant, name, ca.certificate);
    const isProved = given.ca === undefined ? undefined : await prove(api, tenant, ca);
    return { tenant, isNew, isProved };
  });
  report(context, { ...outcome, name, fingerprint: ca.certificate.fingerprintSha1 }, given.json);
}

interface Uploadable {
  /** As the tenant lists it. */
  readonly name: string;
  readonly ca: TrustedCa;
}

async function uploadable(context: CliContext, settings: Settings, given: Options): Promise<Uploadable> {
  if (given.ca !== undefined) {
    const ca = await trustedCa(context, settings, { ...given, ca: given.ca });
    return { name: ca.certificate.subject.commonNames[0] ?? ca.certificate.subject.text, ca };
  }
  const { certPath, waitingCertPath } = deviceFiles(settings, given);
  const path = (await exists(waitingCertPath)) ? waitingCertPath : certPath;
  const certificate = await readLeaf(path);
  requireSelfSigned(certificate, path);
  return { name: requireDeviceId(context, settings, given), ca: { certificate, signCode: undefined } };
}

/** A tenant refuses others: it would trust whatever they issue. */
function requireSelfSigned(certificate: Certificate, path: string): void {
  if (certificate.isCa) return;
  throw new Failure(
    `The certificate ${path} is issued by ${certificate.issuer.text} and is no CA, so a tenant cannot trust it by itself.`,
    'Let the tenant trust the CA instead: tedge cert upload c8y --ca FILE (--ca site for the CA of this site)',
  );
}

/** @returns whether the tenant has seen that somebody here holds the key; it trusts the CA only then */
async function prove(api: TenantApi, tenant: string, { certificate, signCode }: TrustedCa): Promise<boolean> {
  const code = await api.verificationCode(tenant, certificate);
  if (code === undefined) return true;
  if (signCode === undefined) return false;
  await api.proveKey(tenant, certificate, await signCode(code));
  return true;
}

interface Uploaded {
  readonly tenant: string;
  readonly name: string;
  readonly fingerprint: string;
  readonly isNew: boolean;
  /** Undefined where no proof is needed. */
  readonly isProved: boolean | undefined;
}

function report(context: CliContext, uploaded: Uploaded, asJson: boolean): void {
  if (asJson) writeJson(context, uploaded);
  else writeLines(context, reportLines(uploaded));
}

function reportLines({ tenant, name, isNew, isProved }: Uploaded): string[] {
  const what = isNew
    ? `Certificate "${name}" uploaded successfully to tenant ${tenant}.`
    : `Certificate "${name}" already exists in tenant ${tenant}.`;
  const proof =
    isProved === false
      ? ['The tenant trusts it only after a proof that you hold its key. Run the command again with --ca-key FILE.']
      : [];
  return [what, ...proof];
}
