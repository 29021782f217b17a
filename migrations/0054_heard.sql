-- Whether each shipment of a batch was heard of from its warehouse since its instruction was decided: then the instruction arrived,
-- whatever became of the call.
CREATE FUNCTION hk_heard(batch bigint, since bigint) RETURNS boolean STABLE LANGUAGE sql AS
$$ SELECT EXISTS (SELECT FROM shipments WHERE batch_id = batch) AND NOT EXISTS (
     SELECT FROM shipments p WHERE p.batch_id = batch AND NOT EXISTS (
       SELECT FROM facts f WHERE f.subject_id = p.subject_id AND f.id > since AND f.kind IN ('reply', 'cancel_reply', 'parcel')
         AND f.body ->> 'reference' = p.reference)) $$;
