import type { C8yProxyRule } from '@sallyport/config';
import { isRuleFor, type MqttParty, ownName } from '@sallyport/protocol';

/** What one rule gives one client. */
interface Grant {
  readonly methods: ReadonlySet<string>;
  /** Without the slash at the end; bytes as latin1 characters. */
  readonly beginnings: readonly string[];
}

/** Who may do what with the authority of this device. Keep one party for each connection: its rights are remembered. */
export class ProxyAccess {
  private readonly grantsByParty = new WeakMap<MqttParty, readonly Grant[]>();

  /** @param rules undefined: everybody may do everything */
  constructor(private readonly rules: readonly C8yProxyRule[] | undefined) {}

  /**
   * @param readings of the path, all of which must be allowed
   */
  allows(party: MqttParty, method: string, readings: readonly string[]): boolean {
    if (this.rules === undefined) return true;
    const grants = this.grantsOf(party, this.rules).filter(({ methods }) => methods.has(method));
    return readings.every((path) =>
      grants.some(({ beginnings }) => beginnings.some((beginning) => isBelow(path, beginning))),
    );
  }

  private grantsOf(party: MqttParty, rules: readonly C8yProxyRule[]): readonly Grant[] {
    const known = this.grantsByParty.get(party);
    if (known !== undefined) return known;
    const grants = rules.filter((rule) => isRuleFor(rule, party)).map((rule) => grantOf(rule, party));
    this.grantsByParty.set(party, grants);
    return grants;
  }
}

function grantOf({ methods, paths }: C8yProxyRule, party: MqttParty): Grant {
  // Without a name there is nothing that `{id}` could stand for.
  const usable = party.role === 'anonymous' ? paths.filter((path) => !path.includes(ownName)) : paths;
  const named = usable.map((path) => (party.role === 'anonymous' ? path : path.replaceAll(ownName, () => party.name)));
  const beginnings = named.map((path) => Buffer.from(path.replace(/\/$/, '')).toString('latin1'));
  return { methods: new Set(methods), beginnings };
}

function isBelow(path: string, beginning: string): boolean {
  return path.startsWith(beginning) && (path.length === beginning.length || path[beginning.length] === '/');
}
