import type { z } from 'zod';
import type { ServiceName } from './entrances.js';

/** A request/response contract between two services, carried by `@nestjs/microservices` over MQTT. */
export interface RpcContract<Request extends z.ZodType, Response extends z.ZodType> {
  /** Message pattern: an MQTT topic below the private root `sallyport/v1/rpc/`. */
  readonly pattern: string;
  readonly request: Request;
  readonly response: Response;
}

export function defineRpc<Request extends z.ZodType, Response extends z.ZodType>(
  contract: RpcContract<Request, Response>,
): RpcContract<Request, Response> {
  return contract;
}

/** Topic root of all messages between services. No device and no other client may use it. */
export const serviceTopicRoot = 'sallyport/v1';

/** The message pattern of a request to a service. */
export function rpcTopic(service: ServiceName, name: string): string {
  return `${serviceTopicRoot}/rpc/${service}/${name}`;
}
