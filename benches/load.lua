-- Makes wrk print its figures as whole numbers on one line; its own report rounds them to two digits.
-- It has no hook that runs per request, so it costs the load nothing.
-- UPLOAD is the size of a body to send with each request, in bytes.
local upload = tonumber(os.getenv("UPLOAD") or "0")
if upload > 0 then
  wrk.method = "POST"
  wrk.body = string.rep("x", upload)
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "FIGURES requests=%d microseconds=%d p50=%d p99=%d connect=%d read=%d write=%d timeout=%d status=%d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
