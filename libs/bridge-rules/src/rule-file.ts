import { isTable, parseToml, TomlLines, type TomlTable } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';
import type { KeyFault, RuleParts } from './rule-checks.js';
import type { RuleFault } from './rule-fault.js';
import type { BridgeRule, RuleOrigin, SkippedRule } from './rule-set.js';
import { conditionIn, type RuleKind, readPrefix, readRuleTable, ruleKinds, type TableContext } from './rule-table.js';
import type { RuleVariables } from './variables.js';

/** A file of rules as it was read. */
export interface RuleFile {
  /** Its name in its folder. */
  readonly name: string;
  readonly text: string;
}

/** What a file says with the settings of this device. */
export interface FileRules {
  readonly rules: readonly BridgeRule[];
  readonly skipped: readonly SkippedRule[];
  readonly faults: readonly RuleFault[];
}

// A bridge has tens of rules. The limit keeps a file of an operator from stopping the service.
const mostTables = 256;

const fileKeys = ['local_prefix', 'remote_prefix', 'if', ...ruleKinds];

/**
 * Reads a file of rules. `[[rule]]` come before `[[template_rule]]`, as in thin-edge.io.
 *
 * ```toml
 * local_prefix = "${mapper.bridge.topic_prefix}/"
 * remote_prefix = ""
 *
 * [[rule]]
 * if = "${connection.auth_method} == 'certificate'"
 * topic = "s/uat"
 * direction = "outbound"
 *
 * [[template_rule]]
 * for = ["s", "t", "q", "c"]
 * topic = "${item}/us/#"
 * direction = "outbound"
 * ```
 *
 * @returns what is in force, what is not and why, and every fault, also those of rules that are not in force
 */
export function readRuleFile({ name, text }: RuleFile, variables: RuleVariables): FileRules {
  try {
    return new RuleFileReader(name, parseToml(text, name), text).read(variables);
  } catch (fault) {
    if (!(fault instanceof Problem)) throw fault;
    // The message names the file and the line.
    return { rules: [], skipped: [], faults: [{ file: name, line: undefined, message: fault.message }] };
  }
}

/** One `[[rule]]` or `[[template_rule]]` of a file. */
interface Place {
  readonly kind: RuleKind;
  readonly index: number;
  readonly table: TomlTable;
}

class RuleFileReader {
  private readonly rules: BridgeRule[] = [];
  private readonly skipped: SkippedRule[] = [];
  private readonly faults = new Map<string, RuleFault>();
  private readonly lines: TomlLines;

  constructor(
    private readonly file: string,
    private readonly table: TomlTable,
    text: string,
  ) {
    this.lines = new TomlLines(text);
  }

  read(variables: RuleVariables): FileRules {
    for (const key of Object.keys(this.table).filter((one) => !fileKeys.includes(one)))
      this.fault({ key, message: `"${key}" is not known. Use ${fileKeys.join(', ')}.` });
    const [condition, conditionFaults] = conditionIn(this.table, variables);
    const [localPrefix, localFaults] = readPrefix(this.table, 'local_prefix', variables);
    const [remotePrefix, remoteFaults] = readPrefix(this.table, 'remote_prefix', variables);
    for (const fault of [...conditionFaults, ...localFaults, ...remoteFaults]) this.fault(fault);
    const offReason = condition?.reason;
    if (offReason !== undefined) this.skip(this.lines.ofKey('if'), `The whole file is off: ${offReason}`);
    for (const place of ruleKinds.flatMap((kind) => this.placesOf(kind)))
      this.readRule(place, { variables, localPrefix, remotePrefix }, offReason === undefined);
    return { rules: this.rules, skipped: this.skipped, faults: [...this.faults.values()] };
  }

  private placesOf(kind: RuleKind): Place[] {
    const tables = this.table[kind] ?? [];
    const count = this.lines.countOf(kind);
    if (!Array.isArray(tables) || !tables.every(isTable) || tables.length !== count) {
      this.fault({ key: kind, message: `Write each rule as a table of its own, below a line [[${kind}]].` });
      return [];
    }
    if (count > mostTables)
      this.fault({ key: undefined, message: `There are ${count} [[${kind}]]; ${mostTables} may be used.` });
    return tables.slice(0, mostTables).map((table, index) => ({ kind, index, table }));
  }

  private readRule(place: Place, context: TableContext, isFileOn: boolean): void {
    const { rules, offReason, faults } = readRuleTable(place.table, place.kind, context);
    for (const fault of faults) this.fault(fault, place);
    const origin = { file: this.file, line: this.lines.ofHeader(place.kind, place.index) };
    if (isFileOn && offReason !== undefined) this.skip(origin.line, offReason);
    if (isFileOn && offReason === undefined) this.rules.push(...rules.map((parts) => bridgeRule(parts, origin)));
  }

  private skip(line: number, reason: string): void {
    this.skipped.push({ origin: { file: this.file, line }, reason });
  }

  /** A prefix above all rules is the same fault for each rule, and is reported once. */
  private fault({ key, message }: KeyFault, place?: Place): void {
    const fault = { file: this.file, line: this.lineOf(key, place), message };
    this.faults.set(`${fault.line} ${message}`, fault);
  }

  private lineOf(key: string | undefined, place: Place | undefined): number | undefined {
    if (key === undefined) return place === undefined ? undefined : this.lines.ofHeader(place.kind, place.index);
    const isAbove = place === undefined || (place.table[key] === undefined && this.table[key] !== undefined);
    return isAbove ? this.lines.ofKey(key) : this.lines.ofKeyIn({ name: place.kind, index: place.index, key });
  }
}

function bridgeRule(parts: RuleParts, origin: RuleOrigin): BridgeRule {
  const [localFilter, remoteFilter] = [parts.localPrefix + parts.topic, parts.remotePrefix + parts.topic];
  const source = parts.direction === 'inbound' ? remoteFilter : localFilter;
  return { name: `${parts.direction} ${source}`, origin, ...parts, localFilter, remoteFilter };
}
