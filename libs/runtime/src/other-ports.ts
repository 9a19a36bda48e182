import { type ConfigKey, commandToSet, configKeys, describeKey, type Settings } from '@sallyport/config';
import type { ListenerKeys } from './listener-keys.js';
import { HeldPorts } from './tcp-ports.js';

const lastPort = 65_535;
/** Ports tried beside the one that is taken. */
const longestSearch = 100;

/** Chooses free ports for listeners whose own are taken, and says how to set them. */
export class OtherPorts {
  // A port that another setting names is free only until that service starts.
  private readonly spoken: Set<number>;

  /** @param command how the person calls the CLI for this configuration directory */
  constructor(
    private readonly settings: Settings,
    private readonly command: string,
  ) {
    this.spoken = new Set(portsIn(settings));
  }

  /** Shell commands that move a listener to a free port, and change the other settings that name its old port. */
  async remediesFor(keys: ListenerKeys, { host, port }: { host: string; port: number }): Promise<string[]> {
    const other = await this.choose(host, port);
    const twins = [keys.clientPortKey, keys.urlKey].flatMap((key) => this.twinRemedies(key, port, other));
    return [this.setting(keys.portKey, String(other)), ...twins];
  }

  private async choose(host: string, port: number): Promise<number> {
    const start = port + longestSearch > lastPort ? port - longestSearch : port;
    for (let candidate = start + 1; candidate <= start + longestSearch; candidate++) {
      if (this.spoken.has(candidate) || !(await isFree(host, candidate))) continue;
      this.spoken.add(candidate);
      return candidate;
    }
    return start + longestSearch;
  }

  /** Changes a setting that names the same port, alone or in an address, unless its default follows the port. */
  private twinRemedies(key: ConfigKey | undefined, port: number, other: number): string[] {
    if (key === undefined || this.follows(key)) return [];
    const value = this.settings.get(key);
    if (value === port) return [this.setting(key, String(other))];
    const url = typeof value === 'string' ? new URL(value) : undefined;
    if (url?.port !== String(port)) return [];
    url.port = String(other);
    return [this.setting(key, url.href.replace(/\/$/, ''))];
  }

  /** A default that is not a number is derived from the port. */
  private follows(key: ConfigKey): boolean {
    return this.settings.source(key) === 'default' && typeof describeKey(key).default !== 'number';
  }

  private setting(key: ConfigKey, value: string): string {
    return commandToSet(this.settings, key, value, this.command);
  }
}

/** Every port that any setting names. */
function portsIn(settings: Settings): number[] {
  const values = configKeys.filter((key) => key.endsWith('.port')).map((key) => settings.get(key));
  return values.filter((value) => typeof value === 'number');
}

async function isFree(host: string, port: number): Promise<boolean> {
  const held = new HeldPorts();
  const isTaken = !(await held.take(host, port));
  await held.release();
  return !isTaken;
}
