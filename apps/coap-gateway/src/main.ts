import { runService } from '@sallyport/runtime';
import { coapGateway } from './service.js';

await runService(coapGateway);
