import { Injectable } from '@nestjs/common';
import type { CommandKind } from '@sallyport/protocol';
import { ServiceContext } from '@sallyport/runtime';
import { Counter } from 'prom-client';
import type { CommandOutcome } from './commands/command.js';

/** What the gateway counts of resources. No label names a device. */
@Injectable()
export class ResourceMetrics {
  private readonly commands: Counter<'kind' | 'outcome'>;
  private readonly told: Counter;

  constructor({ metrics }: ServiceContext) {
    this.commands = new Counter({
      name: 'sallyport_coap_commands_total',
      help: 'Commands that were sent to devices, by kind and what came of them',
      labelNames: ['kind', 'outcome'],
      registers: [metrics],
    });
    this.told = new Counter({
      name: 'sallyport_coap_values_total',
      help: 'Values of resources that devices told',
      registers: [metrics],
    });
  }

  countCommand(kind: CommandKind, outcome: CommandOutcome): void {
    this.commands.inc({ kind, outcome: labelOf(outcome) });
  }

  countValue(): void {
    this.told.inc();
  }
}

function labelOf(outcome: CommandOutcome): string {
  if (outcome.kind !== 'answered') return 'unavailable';
  return outcome.code.startsWith('2.') ? 'done' : 'refused';
}
