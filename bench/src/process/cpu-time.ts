import { readFileSync } from 'node:fs';

// proc(5): times in /proc/PID/stat count in ticks of 10 ms on every Linux of ours.
const millisecondsPerTick = 10;
const [userField, systemField, childrenUserField, childrenSystemField] = [13, 14, 15, 16];

function ticksOf(pid: number | 'self', fields: readonly number[]): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the program's name in brackets, and may hold blanks.
  const values = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.reduce((sum, field) => sum + Number(values[field - 2]), 0);
}

/** CPU time a process and its living children have used so far, milliseconds. */
export function cpuMillisecondsOf(pid: number): number {
  const { user, kernel } = cpuPartsOf(pid);
  return user + kernel;
}

/** The same, apart: in the programs themselves, and in the kernel on their behalf. */
export function cpuPartsOf(pid: number): { readonly user: number; readonly kernel: number } {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const pids = [pid, ...(children === '' ? [] : children.split(' ').map(Number))];
  const spent = (field: number): number =>
    pids.reduce((sum, each) => sum + ticksOf(each, [field]), 0) * millisecondsPerTick;
  return { user: spent(userField), kernel: spent(systemField) };
}

/** CPU time of child processes of ours that have ended, milliseconds. */
export function cpuMillisecondsOfEndedChildren(): number {
  return ticksOf('self', [childrenUserField, childrenSystemField]) * millisecondsPerTick;
}
