import { type DeviceDescription, type DeviceId, deviceDescription, refusals } from '@sallyport/protocol';
import type { Command } from 'commander';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { deviceIdArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { labelledLines, tableLines, writeJson, writeLines } from '../output.js';

/** `device show`: one device, its certificates, what happened to it, and why it was turned away. */
export function showCommand(context: CliContext, parent: Command): void {
  parent
    .command('show')
    .description('show a device: certificates, changes of state, and why it was refused')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .action(async (deviceId: DeviceId, _options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const registry = await adminClientFor('device-registry', await openSettings(context, given), {
        context,
        options: given,
      });
      const device = await registry.get(`/v1/devices/${encodeURIComponent(deviceId)}`, deviceDescription);
      if (given.json) writeJson(context, device);
      else writeLines(context, deviceLines(device));
    });
}

/** A device for people. */
function deviceLines(device: DeviceDescription): string[] {
  return [
    ...labelledLines([
      ['Device', device.deviceId],
      ['Kind', device.kind],
      ['State', device.state],
      ['Since', device.stateChangedAt],
      ['Registered', device.registeredAt],
      ['Vouched by', voucherText(device)],
    ]),
    ...section('Certificates', certificateTable(device)),
    ...section('History', historyTable(device)),
    ...section('Refusals', refusalTable(device)),
  ];
}

function voucherText({ authority, authorityName }: DeviceDescription): string {
  if (authority === 'site') return 'this site';
  return authorityName === undefined ? `CA ${authority}` : `${authorityName} (${authority})`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)];
}

function certificateTable({ certificates }: DeviceDescription): string[] {
  if (certificates.length === 0) return [];
  return tableLines(
    ['SERIAL', 'FROM', 'UNTIL', 'STATUS', 'FINGERPRINT'],
    certificates.map(({ serialNumber, notBefore, notAfter, revocation, fingerprint }) => [
      serialNumber,
      notBefore,
      notAfter,
      revocation === undefined ? 'valid' : `revoked ${revocation.revokedAt} (${revocation.reason})`,
      fingerprint,
    ]),
  );
}

function historyTable({ states }: DeviceDescription): string[] {
  if (states.length === 0) return [];
  return tableLines(
    ['AT', 'STATE', 'BY', 'REASON'],
    states.map(({ at, state, actor, reason }) => [at, state, actor, reason ?? '']),
  );
}

function refusalTable(device: DeviceDescription): string[] {
  return device.refusals.flatMap(({ at, reason, entrance, remoteAddress }) => [
    `${at} ${entrance} from ${remoteAddress}: ${reason}. ${refusals[reason].meaning}`,
    `  ${refusals[reason].remedy.replaceAll('DEVICE', device.deviceId)}`,
  ]);
}
