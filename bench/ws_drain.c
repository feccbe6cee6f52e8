// Opens many clients of StockTrack over TCP, WebSocket or as streams of events, and counts the prices they are sent.
//
//   gcc -O2 -o ws_drain ws_drain.c
//   ./ws_drain tcp|ws|sse HOST PORT CLIENTS WARM_SECONDS SECONDS COMMANDS_FILE SERVER_PID
//
// COMMANDS_FILE holds one command a line, for sse a request of HTTP. A price is one `}` of a PRICE line, which is flat; over WebSocket only the
// payload of the frames is counted, header by header. Prints one JSON object: prices, the server's CPU (from /proc)
// in all and for a price, and the least and most prices that one client got.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 18, MAX_EVENTS = 1024, MAX_HEADER = 14 };

typedef struct {
  int fd;
  int is_open;          // the handshake's answer has been read to its end
  int answer_matched;   // how much of "\r\n\r\n" has come
  uint64_t payload_left;
  unsigned char header[MAX_HEADER];
  int header_length;
  long prices;
} Client;

static double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu_seconds(int pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  char *after_name = strrchr(text, ')');
  unsigned long user = 0, system = 0;
  if (after_name) sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  return (user + system) / (double)sysconf(_SC_CLK_TCK);
}

static long resident_kb(int pid) {
  char path[64], line[256];
  long kb = 0;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "VmRSS: %ld", &kb) == 1) break;
  fclose(file);
  return kb;
}

static long braces(const unsigned char *at, size_t length) {
  long count = 0;
  for (size_t i = 0; i < length; i++) count += at[i] == '}';
  return count;
}

// The braces in the payloads of what was read; a frame may end, and a header begin, anywhere in it.
static long braces_in_frames(Client *client, const unsigned char *at, size_t length) {
  long count = 0;
  while (length) {
    if (!client->is_open) {
      client->answer_matched = *at == "\r\n\r\n"[client->answer_matched] ? client->answer_matched + 1 : *at == '\r';
      client->is_open = client->answer_matched == 4;
      at++, length--;
    } else if (client->payload_left) {
      size_t taken = client->payload_left < length ? client->payload_left : length;
      count += braces(at, taken);
      client->payload_left -= taken, at += taken, length -= taken;
    } else {
      client->header[client->header_length++] = *at++, length--;
      int short_length = client->header_length > 1 ? client->header[1] & 127 : 0;
      int wanted = 2 + (short_length == 126 ? 2 : short_length == 127 ? 8 : 0);
      if (client->header_length == wanted) {
        uint64_t payload = 0;
        for (int i = 2; i < wanted; i++) payload = payload << 8 | client->header[i];
        client->payload_left = wanted == 2 ? (uint64_t)short_length : payload;
        client->header_length = 0;
      }
    }
  }
  return count;
}

static void write_all(int fd, const void *data, size_t length) {
  for (const char *at = data; length;) {
    ssize_t written = write(fd, at, length);
    if (written <= 0) {
      perror("write");
      exit(1);
    }
    at += written, length -= written;
  }
}

// The commands as masked text frames; a mask of zeros leaves the payload as it is (RFC 6455, section 5.3).
static void write_frames(int fd, const char *commands) {
  for (const char *line = commands; *line;) {
    size_t length = strcspn(line, "\n");
    unsigned char header[8] = {0x81, 0x80};
    size_t header_length = 6;
    if (length < 126) {
      header[1] |= length;
    } else {
      header[1] |= 126, header[2] = length >> 8, header[3] = length & 255;
      header_length = 8;
    }
    write_all(fd, header, header_length);
    write_all(fd, line, length);
    line += length + (line[length] == '\n');
  }
}

int main(int argc, char **argv) {
  if (argc != 9) {
    fprintf(stderr, "usage: ws_drain tcp|ws|sse HOST PORT CLIENTS WARM_SECONDS SECONDS COMMANDS_FILE SERVER_PID\n");
    return 2;
  }
  int is_ws = !strcmp(argv[1], "ws"), count = atoi(argv[4]), pid = atoi(argv[8]);
  double warm = atof(argv[5]), measured = atof(argv[6]);
  struct rlimit limit = {1 << 20, 1 << 20};
  setrlimit(RLIMIT_NOFILE, &limit);
  static char commands[1 << 20];
  FILE *file = fopen(argv[7], "r");
  if (!file || !fread(commands, 1, sizeof commands - 1, file)) {
    perror(argv[7]);
    return 1;
  }
  fclose(file);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  inet_pton(AF_INET, argv[2], &address.sin_addr);
  char request[512];
  snprintf(request, sizeof request,
           "GET /ws HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
           argv[2], argv[3]);
  Client *clients = calloc(count, sizeof *clients);
  static unsigned char buffer[READ_BYTES];
  int poll = epoll_create1(0);
  for (int i = 0; i < count; i++) {
    Client *client = &clients[i];
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client->fd, (void *)&address, sizeof address)) {
      perror("connect");
      return 1;
    }
    if (is_ws) {
      write_all(client->fd, request, strlen(request));
      while (!client->is_open) {  // frames may not be sent before the answer
        ssize_t got = read(client->fd, buffer, sizeof buffer);
        if (got <= 0) {
          fprintf(stderr, "the handshake failed\n");
          return 1;
        }
        braces_in_frames(client, buffer, got);
      }
      write_frames(client->fd, commands);
    } else {
      write_all(client->fd, commands, strlen(commands));
    }
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = i};
    epoll_ctl(poll, EPOLL_CTL_ADD, client->fd, &wanted);
  }
  struct epoll_event events[MAX_EVENTS];
  double start = seconds_now() + warm, end = start + measured, cpu = 0;
  int is_counting = 0, closed = 0;
  long prices = 0, bytes = 0;
  while (seconds_now() < end) {
    if (!is_counting && seconds_now() >= start) {
      is_counting = 1;
      start = seconds_now(), end = start + measured, cpu = cpu_seconds(pid);
    }
    int ready = epoll_wait(poll, events, MAX_EVENTS, 50);
    for (int i = 0; i < ready; i++) {
      Client *client = &clients[events[i].data.u32];
      ssize_t got = read(client->fd, buffer, sizeof buffer);
      if (got <= 0) {
        if (got == 0 || errno != EAGAIN) epoll_ctl(poll, EPOLL_CTL_DEL, client->fd, 0), closed++;
        continue;
      }
      long seen = is_ws ? braces_in_frames(client, buffer, got) : braces(buffer, got);
      if (is_counting) client->prices += seen, prices += seen, bytes += got;
    }
  }
  cpu = cpu_seconds(pid) - cpu;
  double elapsed = seconds_now() - start;
  long least = clients[0].prices, most = 0;
  for (int i = 0; i < count; i++) {
    if (clients[i].prices < least) least = clients[i].prices;
    if (clients[i].prices > most) most = clients[i].prices;
  }
  printf("{\"door\":\"%s\",\"clients\":%d,\"closed\":%d,\"prices\":%ld,\"prices_per_second\":%.0f,\"bytes_per_price\":%.0f,"
         "\"cpu_seconds\":%.2f,\"cpu_us_per_price\":%.4f,\"resident_mb\":%.0f,\"least\":%ld,\"most\":%ld}\n",
         argv[1], count, closed, prices, prices / elapsed, prices ? (double)bytes / prices : 0, cpu,
         prices ? cpu * 1e6 / prices : 0, resident_kb(pid) / 1024.0, least, most);
  return 0;
}
