-- POSTs a body of as many bytes as the script's argument says: wrk -s post.lua URL -- 10240
function init(args)
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/octet-stream"
   wrk.body = string.rep("x", tonumber(args[1]))
end
