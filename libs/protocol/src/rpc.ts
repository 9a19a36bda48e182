import type { z } from 'zod';

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
