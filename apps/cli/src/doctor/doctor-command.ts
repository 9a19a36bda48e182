import { exists } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { describeFault, ExitStatus, foreignRemedy } from '../failure.js';
import { type GlobalOptions, globalOptions, optionsOf } from '../options.js';
import { Progress, writeJson, writeLines } from '../output.js';
import { type Check, error, type Finding } from './check.js';
import { type CheckedSite, openCheckedSite } from './checked-site.js';
import { auditLogs } from './checks/audit-logs.js';
import { authorities } from './checks/authorities.js';
import { certificateService } from './checks/certificate-service.js';
import { clientIdentities } from './checks/client-identities.js';
import { clock } from './checks/clock.js';
import { clouds } from './checks/clouds.js';
import { coapCertificate } from './checks/coap-certificate.js';
import { coapProviders } from './checks/coap-providers.js';
import { connectorCertificate } from './checks/connector-certificate.js';
import { connectors } from './checks/connectors.js';
import { deviceIdentity } from './checks/device-identity.js';
import { folders } from './checks/folders.js';
import { handshakes } from './checks/handshakes.js';
import { httpClient } from './checks/http-client.js';
import { journals } from './checks/journals.js';
import { listenerFiles } from './checks/listener-files.js';
import { listeners } from './checks/listeners.js';
import { mosquitto } from './checks/mosquitto.js';
import { mqttClient } from './checks/mqtt-client.js';
import { permissions } from './checks/permissions.js';
import { ports } from './checks/ports.js';
import { revocation } from './checks/revocation.js';
import { serverChains, serverDates, serverNames, serverPurposes } from './checks/server-certificates.js';
import { services } from './checks/services.js';
import { settingsCheck } from './checks/settings.js';
import { store } from './checks/store.js';
import { trustedCas } from './checks/trusted-cas.js';
import { type Cause, type Diagnosis, diagnose, type Examined } from './diagnosis.js';
import { editSettings, settingRemedy } from './settings-remedy.js';

/** `doctor`: checks everything that can make a handshake fail, and tells how to repair it. Exit code 0: all is well. */
export function doctorCommand(context: CliContext, program: Command): void {
  program
    .command('doctor')
    .description('find what is wrong with certificates, files, clocks and services, and the command that mends it')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const examined = await examine(context, given);
      const diagnosis = diagnose(examined);
      if (given.json) writeJson(context, reportOf(diagnosis, examined));
      else writeLines(context, linesOf(diagnosis));
      if (!isHealthy(diagnosis)) throw new ExitStatus(1);
    });
}

async function examine(context: CliContext, options: GlobalOptions): Promise<Examined[]> {
  const settings = settingsCheck(context, options);
  try {
    const checked = await new Progress(context.stderr).during('Looking around', () =>
      openCheckedSite(context, options),
    );
    const lost = await missingDirectory(checked);
    if (lost !== undefined) return [{ id: settings.id, title: settings.title, findings: [lost] }];
    const checks = checked.isGateway ? gatewayChecks(settings) : deviceChecks(settings);
    const results: Examined[] = [];
    for (const check of checks) {
      context.signal.throwIfAborted();
      const findings = await new Progress(context.stderr).during(check.title, () => findingsOf(check, checked));
      results.push({ id: check.id, title: check.title, findings });
    }
    return results;
  } catch (fault) {
    // Without settings nothing else can be checked.
    if (!(fault instanceof Problem) || fault.type !== 'config-invalid') throw fault;
    return [{ id: settings.id, title: settings.title, findings: await settingsFindings(context, options, fault) }];
  }
}

/** Without its configuration directory a site has nothing to check, so nothing may be called well. */
async function missingDirectory({ site, remedies }: CheckedSite): Promise<Finding | undefined> {
  const { directory } = site.settings;
  if (await exists(directory)) return undefined;
  return error(
    `The configuration directory ${directory} does not exist, so nothing was checked. If this is not the path you mean, name the right one (--config-dir). A start makes a new site there.`,
    remedies.startServices(),
  );
}

/** A check that fails itself is a finding. The other checks still run. */
async function findingsOf(check: Check, checked: CheckedSite): Promise<Finding[]> {
  try {
    return await check.run(checked);
  } catch (fault) {
    checked.context.signal.throwIfAborted();
    const what = describeFault(fault)?.what ?? String(fault);
    return [error(`This could not be looked at: ${what}`, checked.remedies.startServices())];
  }
}

/** In the order in which the parts depend on each other. */
function deviceChecks(settings: Check): Check[] {
  return [
    settings,
    clock,
    deviceIdentity,
    revocation,
    clientIdentities,
    httpClient,
    mqttClient,
    mosquitto,
    permissions,
    clouds,
    certificateService,
  ];
}

function gatewayChecks(settings: Check): Check[] {
  return [
    settings,
    folders,
    clock,
    store,
    listenerFiles,
    trustedCas,
    serverChains,
    serverNames,
    serverPurposes,
    serverDates,
    ports,
    services,
    listeners,
    handshakes,
    revocation,
    deviceIdentity,
    clientIdentities,
    httpClient,
    mqttClient,
    mosquitto,
    permissions,
    clouds,
    certificateService,
    authorities,
    auditLogs,
    journals,
    connectors,
    connectorCertificate,
    coapCertificate,
    coapProviders,
  ];
}

const faultsOf = z.object({
  faults: z.array(z.object({ key: z.string(), where: z.string(), value: z.string(), rule: z.string() })),
});

async function settingsFindings(context: CliContext, options: GlobalOptions, problem: Problem): Promise<Finding[]> {
  const faults = faultsOf.safeParse(problem.extensions);
  const edit = (fault: string) => editSettings(context, options, fault);
  if (!faults.success) {
    const foreign = foreignRemedy(problem.cause, 'doctor');
    return [error(problem.message, foreign === undefined ? await edit(problem.message) : context.typed(foreign))];
  }
  const findings = faults.data.faults.map(async (wrong) =>
    error(
      `${wrong.key} (${wrong.where}) is ${wrong.value}: ${wrong.rule}.`,
      settingRemedy(context, options, wrong) ?? (await edit(wrong.where)),
    ),
  );
  return Promise.all(findings);
}

function isHealthy({ causes }: Diagnosis): boolean {
  return causes.every(({ severity }) => severity === 'note');
}

/** `checks` has every check; what follows from the finding of another is only below that one. */
function reportOf(diagnosis: Diagnosis, examined: readonly Examined[]) {
  const { causes } = diagnosis;
  const findingsOf = (id: string) =>
    causes
      .filter((cause) => cause.id === id)
      .map(({ severity, what, fix, follows }) => ({ severity, what, fix, follows }));
  return {
    healthy: isHealthy(diagnosis),
    causes,
    checks: examined.map(({ id, title, findings }) => ({
      id,
      title,
      isOk: findings.length === 0,
      findings: findingsOf(id),
    })),
  };
}

/** What to mend first comes first, and what is well last. */
function linesOf({ causes, passed }: Diagnosis): string[] {
  return [...causes.flatMap(causeLines), ...passed.map(({ title }) => `ok       ${title}`)];
}

function causeLines({ severity, title, what, fix, follows }: Cause): string[] {
  return [
    `${severity.padEnd(7)}  ${title}: ${what}`,
    `         mend it: ${fix}`,
    ...follows.map((follower) => `         so also: ${follower.title}: ${follower.what}`),
  ];
}
