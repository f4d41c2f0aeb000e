// A management server of go-control-plane that serves what it is told to on its standard input, for tests.
//
// Each line of the input is a snapshot: {"version": "1", "resources": {TYPE_URL: [resource as ProtoJSON]}}. Each line of
// the output is an event: {"event": "listening" | "serving" | "request" | "response" | "problem", ...}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	extensionservice "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservice "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	runtimeservice "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	secretservice "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cache "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	server "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	// The messages that resources may hold inside an Any.
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// snapshot is one line of the input.
type snapshot struct {
	Version   string                       `json:"version"`
	Resources map[string][]json.RawMessage `json:"resources"`
}

// event is one line of the output.
type event struct {
	Event   string `json:"event"`
	Port    int    `json:"port,omitempty"`
	Stream  int64  `json:"stream,omitempty"`
	TypeURL string `json:"typeUrl,omitempty"`
	Version string `json:"version,omitempty"`
	Nonce   string `json:"nonce,omitempty"`
	// Of a request: the NACK. Of a problem: what is wrong.
	Message string `json:"message,omitempty"`
	// Of a request: what is subscribed.
	Names []string `json:"names,omitempty"`
	// Of a response: the message as it goes over the wire, delta or state of the world.
	Delta bool   `json:"delta,omitempty"`
	Bytes []byte `json:"bytes,omitempty"`
}

var output struct {
	sync.Mutex
	encoder *json.Encoder
}

func tell(one event) {
	output.Lock()
	defer output.Unlock()
	_ = output.encoder.Encode(one)
}

// oneNode gives every proxy the same snapshot.
type oneNode struct{}

func (oneNode) ID(*core.Node) string { return "all" }

func callbacks() server.Callbacks {
	return server.CallbackFuncs{
		StreamRequestFunc: func(stream int64, request *discovery.DiscoveryRequest) error {
			tell(event{Event: "request", Stream: stream, TypeURL: request.GetTypeUrl(), Version: request.GetVersionInfo(),
				Nonce: request.GetResponseNonce(), Message: request.GetErrorDetail().GetMessage(), Names: request.GetResourceNames()})
			return nil
		},
		StreamResponseFunc: func(_ context.Context, stream int64, _ *discovery.DiscoveryRequest, response *discovery.DiscoveryResponse) {
			bytes, _ := proto.Marshal(response)
			tell(event{Event: "response", Stream: stream, TypeURL: response.GetTypeUrl(), Version: response.GetVersionInfo(),
				Nonce: response.GetNonce(), Bytes: bytes})
		},
		StreamDeltaRequestFunc: func(stream int64, request *discovery.DeltaDiscoveryRequest) error {
			tell(event{Event: "request", Stream: stream, TypeURL: request.GetTypeUrl(), Nonce: request.GetResponseNonce(),
				Message: request.GetErrorDetail().GetMessage(), Names: request.GetResourceNamesSubscribe(), Delta: true})
			return nil
		},
		StreamDeltaResponseFunc: func(stream int64, _ *discovery.DeltaDiscoveryRequest, response *discovery.DeltaDiscoveryResponse) {
			bytes, _ := proto.Marshal(response)
			tell(event{Event: "response", Stream: stream, TypeURL: response.GetTypeUrl(), Version: response.GetSystemVersionInfo(),
				Nonce: response.GetNonce(), Delta: true, Bytes: bytes})
		},
	}
}

// parse reads one line of the input with Envoy's own messages.
func parse(line []byte) (*cache.Snapshot, error) {
	var read snapshot
	if err := json.Unmarshal(line, &read); err != nil {
		return nil, err
	}
	resources := map[string][]types.Resource{}
	for typeURL, list := range read.Resources {
		for _, text := range list {
			message, err := (&anypb.Any{TypeUrl: typeURL}).UnmarshalNew()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", typeURL, err)
			}
			if err := protojson.Unmarshal(text, message); err != nil {
				return nil, fmt.Errorf("%s: %w", typeURL, err)
			}
			resources[typeURL] = append(resources[typeURL], message)
		}
	}
	return cache.NewSnapshot(read.Version, resources)
}

func main() {
	ads := flag.Bool("ads", true, "answer only when all resources of a type are asked for, as aggregated streams need")
	flag.Parse()
	output.encoder = json.NewEncoder(os.Stdout)
	snapshots := cache.NewSnapshotCache(*ads, oneNode{}, nil)
	service := server.NewServer(context.Background(), snapshots, callbacks())
	grpcServer := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, service)
	clusterservice.RegisterClusterDiscoveryServiceServer(grpcServer, service)
	endpointservice.RegisterEndpointDiscoveryServiceServer(grpcServer, service)
	listenerservice.RegisterListenerDiscoveryServiceServer(grpcServer, service)
	routeservice.RegisterRouteDiscoveryServiceServer(grpcServer, service)
	routeservice.RegisterScopedRoutesDiscoveryServiceServer(grpcServer, service)
	routeservice.RegisterVirtualHostDiscoveryServiceServer(grpcServer, service)
	secretservice.RegisterSecretDiscoveryServiceServer(grpcServer, service)
	runtimeservice.RegisterRuntimeDiscoveryServiceServer(grpcServer, service)
	extensionservice.RegisterExtensionConfigDiscoveryServiceServer(grpcServer, service)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			next, err := parse(lines.Bytes())
			if err == nil {
				err = snapshots.SetSnapshot(context.Background(), "all", next)
			}
			if err != nil {
				tell(event{Event: "problem", Message: err.Error()})
				continue
			}
			tell(event{Event: "serving", Version: next.GetVersion("type.googleapis.com/envoy.config.cluster.v3.Cluster")})
		}
		grpcServer.Stop()
	}()
	tell(event{Event: "listening", Port: listener.Addr().(*net.TCPAddr).Port})
	if err := grpcServer.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
