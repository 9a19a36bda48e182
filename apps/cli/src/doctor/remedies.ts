import type { Settings } from '@sallyport/config';
import { quoted } from '@sallyport/config';
import type { SecurityLevel, ServiceName } from '@sallyport/protocol';
import type { CliContext } from '../cli-context.js';
import type { GlobalOptions } from '../options.js';

/** Commands that repair something, as the user has to type them. */
export class Remedies {
  private readonly programName: string;
  private readonly prefix: string;
  private readonly settings: Settings;
  private readonly configDir: string | undefined;

  constructor({ programName }: CliContext, { configDir }: GlobalOptions, settings: Settings) {
    this.programName = programName;
    this.prefix = `${programName}${configDir === undefined ? '' : ` --config-dir ${quoted(configDir)}`}`;
    this.settings = settings;
    this.configDir = configDir;
  }

  /** A command of this program on the same configuration directory. */
  run(...words: readonly string[]): string {
    return [this.prefix, ...words.map(quoted)].join(' ');
  }

  set(key: string, value: string): string {
    return this.run('config', 'set', key, value);
  }

  unset(...keys: readonly string[]): string {
    return this.all(...keys.map((key) => this.run('config', 'unset', key)));
  }

  secure(level: SecurityLevel): string {
    return this.run('secure', level);
  }

  /** A new certificate for a device whose signer runs on this machine. */
  enrol(deviceId: string): string {
    const token = `"$(${this.run('device', 'enroll-token', deviceId)})"`;
    return `${this.run('cert', 'download', '--device-id', deviceId)} --one-time-password ${token}`;
  }

  /** The same for a name whose certificate was revoked. */
  reinstate(deviceId: string): string {
    const token = `"$(${this.run('device', 'enroll-token', '--reinstate', deviceId)})"`;
    return `${this.run('cert', 'download', '--device-id', deviceId)} --one-time-password ${token}`;
  }

  /**
   * The same for a service or an administrator of this machine, whose certificate another command makes. The one that
   * brings the name back is not kept.
   */
  reinstateLocal(name: string, profile: 'service' | 'admin', url: string): string {
    const token = `"$(${this.run('device', 'enroll-token', '--reinstate', '--profile', profile, name)})"`;
    const download = ['cert', 'download', '--device-id', name, '--url', url].map(quoted).join(' ');
    return this.all(
      'SCRATCH="$(mktemp -d)"',
      `${this.programName} --config-dir "$SCRATCH" ${download} --one-time-password ${token}`,
      'rm -r "$SCRATCH"',
    );
  }

  /** The same when the signer runs on another machine: the token has to be made there. */
  enrolElsewhere(deviceId: string, url: string): string {
    return this.run('cert', 'download', '--device-id', deviceId, '--url', url, '--one-time-password', 'TOKEN');
  }

  startServices(): string {
    if (this.settings.directory === '/etc/tedge') return 'systemctl restart sallyport';
    return this.configDir === undefined ? 'npm start' : `npm start -- --config-dir ${quoted(this.configDir)}`;
  }

  /** Waits for the end of the process that runs now: until then it holds ports and files. */
  restartServices(pid: number): string {
    if (this.settings.directory === '/etc/tedge') return this.startServices();
    return `kill ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 1; done; ${this.startServices()}`;
  }

  /** One service in a process of its own. */
  startService(service: ServiceName): string {
    if (this.settings.directory === '/etc/tedge') return `systemctl restart sallyport@${service}`;
    return `TEDGE_CONFIG_DIR=${quoted(this.settings.directory)} npx nx serve ${service}`;
  }

  chmod(mode: string, path: string): string {
    return `chmod ${mode} ${quoted(path)}`;
  }

  remove(path: string): string {
    return `rm -f ${quoted(path)}`;
  }

  /** Moves a file into another folder, and overwrites nothing there. */
  move(path: string, folder: string): string {
    return `mv -n ${quoted(path)} ${quoted(folder)}`;
  }

  /** Adds a certificate to the end of a file with certificates. */
  append(path: string, to: string): string {
    return `cat ${quoted(path)} >> ${quoted(to)}`;
  }

  /** Several commands; each runs only when the one before succeeded. */
  all(...commands: readonly string[]): string {
    return commands.join(' && ');
  }
}
