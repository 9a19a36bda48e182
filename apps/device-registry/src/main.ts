import { runService } from '@sallyport/runtime';
import { deviceRegistry } from './service.js';

await runService(deviceRegistry);
