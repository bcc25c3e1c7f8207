import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A row of the app's own, by TypeORM as usual. */
@Entity('shop_products')
export class Product {
  /** Part of the page's address, and the key of everything that the KV holds about the product. */
  @PrimaryColumn('text')
  slug!: string;

  @Column('text')
  name!: string;

  @Column('text')
  about!: string;

  @Column('integer')
  cents!: number;
}

export const firstProducts: Product[] = [
  { slug: 'amber-pendant', name: 'Amber pendant', about: 'A drop of resin from the beach at Jūrmala, on a silver chain.', cents: 4900 },
  { slug: 'linen-towel', name: 'Linen towel', about: 'Woven in Latgale. It gets softer with every wash.', cents: 1800 },
  { slug: 'rye-bread', name: 'Rye bread', about: 'Two kilograms, dark and sour, baked this morning.', cents: 650 },
  { slug: 'wool-mittens', name: 'Wool mittens', about: 'No two pairs have the same pattern.', cents: 2900 },
];
