import { Problem } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { describeFault, ExitStatus } from '../failure.js';
import { type GlobalOptions, globalOptions, optionsOf } from '../options.js';
import { Progress, writeJson, writeLines } from '../output.js';
import { type Check, error, type Finding } from './check.js';
import { type CheckedSite, openCheckedSite } from './checked-site.js';
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
import { listenerFiles } from './checks/listener-files.js';
import { listeners } from './checks/listeners.js';
import { mosquitto } from './checks/mosquitto.js';
import { mqttClient } from './checks/mqtt-client.js';
import { permissions } from './checks/permissions.js';
import { serverChains, serverDates, serverNames, serverPurposes } from './checks/server-certificates.js';
import { services } from './checks/services.js';
import { settingsCheck } from './checks/settings.js';
import { trustedCas } from './checks/trusted-cas.js';
import { editSettings, settingRemedy } from './settings-remedy.js';

interface Result {
  readonly id: string;
  readonly title: string;
  readonly findings: readonly Finding[];
}

/** `doctor`: checks everything that can make a handshake fail, and tells how to repair it. Exit code 0: all is well. */
export function doctorCommand(context: CliContext, program: Command): void {
  program
    .command('doctor')
    .description('find what is wrong with certificates, files, clocks and services, and the command that mends it')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const results = await examine(context, given);
      if (given.json) writeJson(context, { healthy: isHealthy(results), checks: results });
      else writeLines(context, results.flatMap(resultLines));
      if (!isHealthy(results)) throw new ExitStatus(1);
    });
}

async function examine(context: CliContext, options: GlobalOptions): Promise<Result[]> {
  const settings = settingsCheck(context, options);
  try {
    const checked = await new Progress(context.stderr).during('Looking around', () =>
      openCheckedSite(context, options),
    );
    const checks = checked.isGateway ? gatewayChecks(settings) : deviceChecks(settings);
    const results: Result[] = [];
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

function deviceChecks(settings: Check): Check[] {
  return [
    settings,
    deviceIdentity,
    clientIdentities,
    mqttClient,
    mosquitto,
    permissions,
    clock,
    clouds,
    certificateService,
  ];
}

function gatewayChecks(settings: Check): Check[] {
  return [
    settings,
    services,
    listenerFiles,
    trustedCas,
    serverChains,
    serverNames,
    serverPurposes,
    serverDates,
    listeners,
    deviceIdentity,
    clientIdentities,
    mqttClient,
    mosquitto,
    permissions,
    clock,
    clouds,
    certificateService,
    authorities,
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
  if (!faults.success) return [error(problem.message, await edit(problem.message))];
  const findings = faults.data.faults.map(async (wrong) =>
    error(
      `${wrong.key} (${wrong.where}) is ${wrong.value}: ${wrong.rule}.`,
      settingRemedy(context, options, wrong) ?? (await edit(wrong.where)),
    ),
  );
  return Promise.all(findings);
}

function isHealthy(results: readonly Result[]): boolean {
  return results.every(({ findings }) => findings.every(({ severity }) => severity === 'note'));
}

function resultLines({ title, findings }: Result): string[] {
  if (findings.length === 0) return [`ok       ${title}`];
  return findings.flatMap(({ severity, what, fix }) => [
    `${severity.padEnd(7)}  ${title}: ${what}`,
    `         mend it: ${fix}`,
  ]);
}
