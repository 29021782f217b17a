-- The number that the customer knows finds an order, and a tracking number the parcels that have it.
CREATE INDEX facts_display ON facts ((body #>> '{order,display}')) WHERE kind = 'order';
CREATE INDEX facts_tracking ON facts ((body ->> 'tracking')) WHERE kind = 'parcel';
