import { Problem } from '@sallyport/protocol';

/** One thing that is wrong with the rules of a bridge. */
export interface RuleFault {
  readonly file: string;
  /** Line in the file, from 1; undefined for a fault of the whole file. */
  readonly line: number | undefined;
  /** What is wrong, and what to do. */
  readonly message: string;
}

const mostShown = 50;

/** A fault in one line: `mqtt-core.toml, line 12: …`. */
export function ruleFaultText({ file, line, message }: RuleFault): string {
  return `${file}${line === undefined ? '' : `, line ${line}`}: ${message}`;
}

/** All faults as one Problem `config-invalid`; its extension `faults` lists them for programs. */
export function ruleProblem(faults: readonly RuleFault[]): Problem {
  const lines = faults.slice(0, mostShown).map(ruleFaultText);
  const more = faults.length > mostShown ? [`and ${faults.length - mostShown} more`] : [];
  const [first = ''] = lines;
  const detail =
    faults.length === 1
      ? first
      : `The bridge rules have ${faults.length} faults:\n- ${[...lines, ...more].join('\n- ')}`;
  return new Problem('config-invalid', detail, { extensions: { faults: faults.slice(0, mostShown) } });
}
