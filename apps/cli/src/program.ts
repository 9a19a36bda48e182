import { entrances } from '@sallyport/protocol';
import { type Command, Option } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { auditCommand } from './audit/audit-command.js';
import { backupCommand } from './backup/backup-command.js';
import { restoreCommand } from './backup/restore-command.js';
import { bridgeCommand } from './bridge/bridge-command.js';
import { caCommand } from './ca/ca-command.js';
import { certCommand } from './cert/cert-command.js';
import { CliCommand } from './cli-command.js';
import type { CliContext } from './cli-context.js';
import { clientCaCommand } from './client-ca/client-ca-command.js';
import { coapCommand } from './coap/coap-command.js';
import { completionCommand } from './completion/completion-command.js';
import { configCommand } from './config/config-command.js';
import { connectCommand, disconnectCommand, reconnectCommand } from './connect/connect-command.js';
import { connectorCommand } from './connector/connector-command.js';
import { deviceCommand } from './device/device-command.js';
import { doctorCommand } from './doctor/doctor-command.js';
import { addHelp } from './help/help-command.js';
import { versionCommand } from './help/version-command.js';
import { httpCommand } from './http/http-command.js';
import { mqttCommand } from './mqtt/mqtt-command.js';
import { globalOptions, logLevelArgument, logLevelOf, optionsOf } from './options.js';
import { secureCommand } from './secure/secure-command.js';
import { siteCommand } from './site/site-command.js';
import { statusCommand } from './status/status-command.js';
import { uploadCommand } from './upload/upload-command.js';
import { webhookCommand } from './webhook/webhook-command.js';

const description = 'X.509 identities for an IoT site: issue, renew, revoke, and secure every listener';

/** All commands. They read and write through `context` only. */
export function createProgram(context: CliContext, asJson = false): Command {
  const program = confined(new CliCommand(context.programName), context)
    .description(description)
    .version(
      asJson ? JSON.stringify({ version: manifest.version }, undefined, 2) : manifest.version,
      '-V, --version',
      'print the version',
    )
    .helpOption('-h, --help', 'explain the command')
    .option('--config-dir <dir>', 'configuration directory (env: TEDGE_CONFIG_DIR)')
    .option('--json', 'print JSON, for programs')
    .option('--debug', 'say on standard error what goes on, as --log-level debug')
    .addOption(
      new Option('--log-level <level>', 'error, warn, info (default), debug or trace').argParser(logLevelArgument),
    )
    .addOption(
      new Option(
        '--admin-url <url>',
        `use the admin API on the network: https://HOST:${entrances.registry.defaultPort}, or of any service: SERVICE=https://HOST:PORT; may be repeated`,
      ).argParser(joinedByCommas),
    )
    .option('--admin-cert <file>', 'certificate of the administrator (default: <config dir>/admin-certs)')
    .option('--admin-key <file>', 'private key of the administrator')
    .option('--admin-ca <file>', 'CA certificates to trust at --admin-url')
    .hook('preAction', (_program, command) => {
      context.log.level = logLevelOf(optionsOf(command, globalOptions));
    });
  for (const add of [
    deviceCommand,
    connectorCommand,
    clientCaCommand,
    coapCommand,
    certCommand,
    connectCommand,
    disconnectCommand,
    reconnectCommand,
    secureCommand,
    doctorCommand,
    statusCommand,
    caCommand,
    siteCommand,
    auditCommand,
    backupCommand,
    restoreCommand,
    webhookCommand,
    mqttCommand,
    httpCommand,
    uploadCommand,
    bridgeCommand,
    configCommand,
    completionCommand,
    versionCommand,
  ])
    add(context, program);
  addHelp(context, program);
  return program;
}

/** The values of an option that was given several times. */
function joinedByCommas(value: string, earlier: string | undefined): string {
  return earlier === undefined ? value : `${earlier},${value}`;
}

/** Keeps commander from writing to and ending this process; subcommands inherit it. */
function confined(command: Command, { stdout, stderr }: CliContext): Command {
  return command
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
}
