package node

// The stream (SPEC 5.1, 5.2): gRPC over mutual TLS 1.3. Frames pass as bytes, because they have to
// be read more strictly than the gRPC library would.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"

	"ioe.example/interop/wire"
)

// pingAfter is keepalive_ms; the library pings no sooner than after 10 s.
const pingAfter = 20 * time.Second

// rawFrames hands the bytes of gRPC messages through.
type rawFrames struct{}

func (rawFrames) Name() string { return "proto" }

func (rawFrames) Marshal(value any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*value.(*[]byte))}, nil
}

func (rawFrames) Unmarshal(data mem.BufferSlice, value any) error {
	*value.(*[]byte) = data.Materialize()
	return nil
}

var _ encoding.CodecV2 = rawFrames{}

// Stream is one Session call to a neighbour.
type Stream struct {
	connection  *grpc.ClientConn
	call        grpc.ClientStream
	operational ed25519.PublicKey
}

// Dial opens a stream to a neighbour's peer port.
func Dial(ctx context.Context, address string, own *Identity, neighbor Neighbor) (*Stream, error) {
	leaf, err := own.Leaf(time.Now())
	if err != nil {
		return nil, err
	}
	stream := &Stream{}
	roots := x509.NewCertPool()
	roots.AddCert(neighbor.CA)
	secured := credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{leaf},
		RootCAs: roots, ServerName: domainName(neighbor.Node), SessionTicketsDisabled: true,
		VerifyConnection: stream.shown,
	})
	connection, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(secured),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter}),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawFrames{})))
	if err != nil {
		return nil, err
	}
	service := wire.PeerService_ServiceDesc
	call, err := connection.NewStream(ctx, &service.Streams[0], "/"+service.ServiceName+"/Session")
	if err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	stream.connection, stream.call = connection, call
	return stream, nil
}

// shown keeps the key of the operational certificate that the neighbour presents, the second in its
// chain.
func (s *Stream) shown(state tls.ConnectionState) error {
	if len(state.PeerCertificates) < 2 {
		return errors.New("the neighbour has shown no operational certificate")
	}
	key, err := keyOf(state.PeerCertificates[1])
	s.operational = key
	return err
}

// OperationalKey is the key of the operational certificate that the neighbour has presented.
func (s *Stream) OperationalKey() ed25519.PublicKey { return s.operational }

func keyOf(certificate *x509.Certificate) (ed25519.PublicKey, error) {
	key, isEd25519 := certificate.PublicKey.(ed25519.PublicKey)
	if !isEd25519 {
		return nil, fmt.Errorf("the key of %q is no Ed25519 key", certificate.Subject)
	}
	return key, nil
}

// Send writes one frame.
func (s *Stream) Send(frame []byte) error {
	data := bytes.Clone(frame)
	return s.call.SendMsg(&data)
}

// Receive reads one frame.
func (s *Stream) Receive() ([]byte, error) {
	var data []byte
	err := s.call.RecvMsg(&data)
	return data, err
}

// Close ends the stream in good order and the connection with it.
func (s *Stream) Close() error {
	return errors.Join(s.call.CloseSend(), s.connection.Close())
}
