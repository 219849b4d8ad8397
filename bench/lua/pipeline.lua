-- Sends as many GETs at once as the script's argument says: wrk -s pipeline.lua URL -- 16
local batch

function init(args)
   batch = string.rep(wrk.format(), tonumber(args[1]))
end

function request()
   return batch
end
