import { defineCollection } from 'nestjs-persistpg';
import { z } from 'zod';

/** Said once: the module provides it, services inject it, and both types come from the schema. */
export const ShareLinks = defineCollection('share-links', {
  schema: z.object({ slug: z.string().min(1) }),
  ttl: '7d',
});
