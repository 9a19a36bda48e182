import type { CloudBroker, CloudMessage } from './cloud-broker.js';
import type { DeviceTokens } from './device-tokens.js';
import type { Tenant } from './tenant.js';

export interface SmartRestOptions {
  readonly tenant: Tenant;
  readonly tokens: DeviceTokens;
}

/** Answers the static templates of SmartREST 2.0 that thin-edge's programs need. */
export class SmartRest {
  /** Messages on `s/uat`. */
  tokenRequests = 0;
  /** What `s/uat` is answered: the payload for the topic `s/dat`, or nothing. Default: `71,` and a good token. */
  answerToken: (device: string) => string | undefined;

  constructor(private readonly options: SmartRestOptions) {
    this.answerToken = (device) => `71,${options.tokens.issue(device)}`;
  }

  /** @param broker takes the answer */
  take({ device, topic, payload }: CloudMessage, broker: CloudBroker): void {
    if (topic === 's/uat') this.takeTokenRequest(device, broker);
    if (topic === 's/us' || topic.startsWith('s/us/'))
      for (const line of payload.toString().split('\n')) this.takeLine(line, device, broker);
  }

  private takeTokenRequest(device: string, broker: CloudBroker): void {
    this.tokenRequests += 1;
    const answer = this.answerToken(device);
    if (answer !== undefined) broker.send('s/dat', answer, { qos: 0 });
  }

  private takeLine(line: string, device: string, broker: CloudBroker): void {
    const { tenant } = this.options;
    const [template, ...fields] = line.split(',');
    const [first = '', second = '', third = ''] = fields;
    if (template === '100') tenant.ensure(device, { name: first, type: second, c8y_IsDevice: {} });
    else if (template === '101') tenant.ensure(first, { name: second, type: third, c8y_IsDevice: {} });
    else if (template === '102') tenant.ensure(first, { name: third, serviceType: second, type: 'c8y_Service' });
    else if (template === '123') {
      const { id } = tenant.ensure(device, { name: device, c8y_IsDevice: {} });
      broker.send('s/ds', `124,${id}`);
    }
  }
}
